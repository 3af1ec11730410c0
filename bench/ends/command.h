/* For far ends that start a command, and tell how long it took and how it ended. */
#include "ends.h"
#include <spawn.h>

extern char **environ;

/* Starts the command with this descriptor (none: -1) as stdin; what it writes is discarded. */
static inline pid_t start_command(int input, char **command) {
  pid_t tool;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (input >= 0) posix_spawn_file_actions_adddup2(&actions, input, 0);
  else posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  errno = posix_spawnp(&tool, command[0], &actions, 0, command, environ);
  if (errno) fail(command[0]);
  return tool;
}

/* Waits for its end; the exit code, or 128 and the signal. */
static inline int end_of(pid_t tool) {
  int status = 0;
  waitpid(tool, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

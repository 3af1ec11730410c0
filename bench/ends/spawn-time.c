/* spawn-time INPUT COMMAND...: runs the command with INPUT in the pipe that is its stdin (none if empty) and its
   output discarded, from spawn to exit. Prints "done NS STATUS". */
#include "ends.h"
#include <spawn.h>

extern char **environ;

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  int input[2], status = 0;
  pid_t tool;
  posix_spawn_file_actions_t actions;
  if (pipe2(input, O_CLOEXEC)) fail("pipe");
  if (write(input[1], argv[1], strlen(argv[1])) < 0) fail("pipe");
  close(input[1]);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input[0], 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  long long start = now_ns();
  errno = posix_spawnp(&tool, argv[2], &actions, 0, argv + 2, environ);
  if (errno) fail(argv[2]);
  waitpid(tool, &status, 0);
  printf("done %lld %d\n", now_ns() - start, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  return 0;
}

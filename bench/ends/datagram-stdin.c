/* datagram-stdin COUNT SIZE TOOL...: starts the tool with a socket as stdin that keeps the bounds of COUNT
   messages of SIZE, so that each of its reads is one datagram. Ends with the tool. */
#include "ends.h"

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  static char message[65536];
  int ends[2], status = 0;
  signal(SIGPIPE, SIG_IGN);
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) fail("socketpair");
  pid_t tool = fork();
  if (tool < 0) fail("fork");
  if (tool == 0) {
    signal(SIGPIPE, SIG_DFL);
    dup2(ends[0], 0);
    execvp(argv[3], argv + 3);
    fail(argv[3]);
  }
  close(ends[0]);
  for (long left = atol(argv[1]); left > 0; left--)
    if (write(ends[1], message, atol(argv[2])) < 0) fail("stdin of the tool");
  close(ends[1]);
  waitpid(tool, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

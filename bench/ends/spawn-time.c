/* spawn-time INPUT COMMAND...: runs the command with INPUT in the pipe that is its stdin (none if empty) and its
   output discarded, from spawn to exit. Prints "done NS STATUS". */
#include "command.h"

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  int input[2];
  if (pipe2(input, O_CLOEXEC)) fail("pipe");
  if (write(input[1], argv[1], strlen(argv[1])) < 0) fail("pipe");
  close(input[1]);
  long long start = now_ns();
  int status = end_of(start_command(input[0], argv + 2));
  printf("done %lld %d\n", now_ns() - start, status);
  return 0;
}

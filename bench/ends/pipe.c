/* pipe: makes a pipe, prints "ready READ WRITE" (its descriptors), and holds it until it is killed.
   Node gives its children socket pairs where one asks for pipes; through /proc/PID/fd the
   benchmark opens a real one. */
#include "ends.h"

int main(void) {
  int ends[2];
  if (pipe(ends)) fail("pipe");
  printf("ready %d %d\n", ends[0], ends[1]);
  fflush(stdout);
  pause();
  return 0;
}

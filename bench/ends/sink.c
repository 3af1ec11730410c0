/* sink ADDRESS: accepts one connection and reads it to its end.
   Prints "done START END BYTES": the times of the accept and of the end. */
#include "ends.h"

static char buffer[1 << 20];

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  int peer = accept(listen_at(argv[1]), 0, 0);
  if (peer < 0) fail("accept");
  long long start = now_ns(), bytes = 0;
  ssize_t count;
  while ((count = read(peer, buffer, sizeof buffer)) > 0) bytes += count;
  printf("done %lld %lld %lld\n", start, now_ns(), bytes);
  return 0;
}

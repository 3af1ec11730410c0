/* sink ADDRESS [forever]: accepts one connection and reads it to its end.
   Prints "done START END BYTES": the times of the accept and of the end. With "forever" it goes on. */
#include "ends.h"

static char buffer[1 << 20];

int main(int argc, char **argv) {
  int listener = listen_at(argv[1]);
  do {
    int peer = accept(listener, 0, 0);
    if (peer < 0) fail("accept");
    long long start = now_ns(), bytes = 0;
    ssize_t count;
    while ((count = read(peer, buffer, sizeof buffer)) > 0) bytes += count;
    printf("done %lld %lld %lld\n", start, now_ns(), bytes);
    fflush(stdout);
    close(peer);
  } while (argc > 2);
  return 0;
}

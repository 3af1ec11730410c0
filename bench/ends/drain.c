/* drain EXPECTED [QUIET_MS]: reads stdin to its end. Prints, each with its time or count,
   "first NS" at the first byte, "reached NS" once EXPECTED bytes have come (0: never),
   "quiet NS" whenever nothing came for QUIET_MS, and "done LAST_NS BYTES" at the end. */
#include "ends.h"
#include <poll.h>

static char buffer[1 << 17];

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  long long expected = atoll(argv[1]), bytes = 0, last = 0;
  int quiet_ms = argc > 2 ? atoi(argv[2]) : 0;
  setvbuf(stdout, 0, _IOLBF, 0);
  for (;;) {
    struct pollfd input = {.fd = 0, .events = POLLIN};
    if (quiet_ms && poll(&input, 1, quiet_ms) == 0) {
      printf("quiet %lld\n", now_ns());
      continue;
    }
    ssize_t count = read(0, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    last = now_ns();
    if (bytes == 0) printf("first %lld\n", last);
    bytes += count;
    if (expected && bytes >= expected && bytes - count < expected) printf("reached %lld\n", last);
  }
  printf("done %lld %lld\n", last, bytes);
  return 0;
}

/* udp-source PORT SIZE RATE COUNT: sends datagrams from one socket. Until it reads a byte from stdin it sends a
   single byte every 10 ms, for the tool to show that it is up; then COUNT datagrams of SIZE,
   RATE a second. Prints "done START END COUNT". */
#include "ends.h"
#include <poll.h>
#include <sched.h>

enum { BATCH = 4 };

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  union any_address to;
  socklen_t length = parse_address(argv[1], &to);
  static char datagram[65536];
  long size = atol(argv[2]), rate = atol(argv[3]), count = atol(argv[4]);
  int peer = socket(AF_INET, SOCK_DGRAM, 0);
  if (peer < 0 || connect(peer, &to.any, length)) fail("udp");
  struct pollfd go = {.fd = 0, .events = POLLIN};
  do {
    send(peer, datagram, 1, 0); /* refused while nobody is there */
  } while (poll(&go, 1, 10) == 0);
  long long start = now_ns();
  for (long number = 0; number < count; number++) {
    long long due = start + (number / BATCH) * BATCH * 1000000000LL / rate;
    /* Yielding lets the reader of the tool's output run where it shares this core. */
    while (number % BATCH == 0 && now_ns() < due) sched_yield();
    while (send(peer, datagram, size, 0) < 0) {
      if (errno == ECONNREFUSED) continue;
      if (errno != ENOBUFS && errno != EINTR) fail("send");
    }
  }
  printf("done %lld %lld %ld\n", start, now_ns(), count);
  return 0;
}

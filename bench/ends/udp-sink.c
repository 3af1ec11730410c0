/* udp-sink SIZE: binds a free port, prints "ready PORT", counts the datagrams of SIZE as fast as it can until
   none has come for 300 ms after the first. Prints "done FIRST_NS LAST_NS COUNT OTHERS", where OTHERS are
   datagrams of another size. */
#include "ends.h"

enum { BATCH = 256 };

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  static char memory[BATCH][2048];
  static struct mmsghdr messages[BATCH];
  static struct iovec parts[BATCH];
  union any_address at;
  socklen_t length = parse_address("0", &at);
  int held = 64 << 20, socket_ = socket(AF_INET, SOCK_DGRAM, 0);
  struct timeval quiet = {.tv_usec = 300000};
  if (setsockopt(socket_, SOL_SOCKET, SO_RCVBUFFORCE, &held, sizeof held))
    setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &held, sizeof held);
  if (bind(socket_, &at.any, length)) fail("bind");
  getsockname(socket_, &at.any, &length);
  printf("ready %d\n", ntohs(at.inet.sin_port));
  fflush(stdout);
  for (int i = 0; i < BATCH; i++) {
    parts[i] = (struct iovec){memory[i], sizeof memory[i]};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
  }
  long long first = 0, last = 0, count = 0, others = 0;
  unsigned size = atoi(argv[1]);
  for (;;) {
    int got = recvmmsg(socket_, messages, BATCH, MSG_WAITFORONE, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    last = now_ns();
    if (!first) {
      first = last;
      setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &quiet, sizeof quiet);
    }
    for (int i = 0; i < got; i++) *(messages[i].msg_len == size ? &count : &others) += 1;
  }
  printf("done %lld %lld %lld %lld\n", first, last, count, others);
  return 0;
}

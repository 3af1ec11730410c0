/* source ADDRESS BYTES: connects, writes BYTES, ends its side and waits for the other's end.
   Prints "done START END BYTES CLEAN": the times of the connection and of the tool's end, and 0 if that was a
   reset, which is how the system tells that the tool left bytes unread. */
#include "ends.h"

static char buffer[1 << 18];

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  signal(SIGPIPE, SIG_IGN);
  int peer = connect_to(argv[1]);
  long long start = now_ns();
  long long bytes = write_all(peer, buffer, sizeof buffer, atoll(argv[2]));
  shutdown(peer, SHUT_WR);
  ssize_t count;
  while ((count = read(peer, buffer, sizeof buffer)) > 0) continue;
  printf("done %lld %lld %lld %d\n", start, now_ns(), bytes, count == 0);
  return 0;
}

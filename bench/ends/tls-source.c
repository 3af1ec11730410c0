/* tls-source ADDRESS BYTES: as source, a client of TLS. */
#include "tls.h"

static char buffer[1 << 18];

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  signal(SIGPIPE, SIG_IGN);
  int peer = connect_to(argv[1]);
  long long start = now_ns(), left = atoll(argv[2]);
  SSL *tls = speak_tls(peer, 0, 0);
  int (*write_tls)(SSL *, const void *, int) = TLS(int, SSL_write, SSL *, const void *, int);
  while (left > 0) {
    int count = write_tls(tls, buffer, left < (long long)sizeof buffer ? (int)left : (int)sizeof buffer);
    if (count <= 0) break;
    left -= count;
  }
  TLS(int, SSL_shutdown, SSL *)(tls);
  shutdown(peer, SHUT_WR);
  ssize_t count;
  while ((count = read(peer, buffer, sizeof buffer)) > 0) continue;
  printf("done %lld %lld %lld %d\n", start, now_ns(), atoll(argv[2]) - left, count == 0);
  return 0;
}

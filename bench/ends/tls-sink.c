/* tls-sink ADDRESS CERTIFICATE KEY: as sink, a server of TLS. */
#include "tls.h"

static char buffer[1 << 18];

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  int peer = accept(listen_at(argv[1]), 0, 0);
  if (peer < 0) fail("accept");
  long long start = now_ns(), bytes = 0;
  SSL *tls = speak_tls(peer, argv[2], argv[3]);
  int (*read_tls)(SSL *, void *, int) = TLS(int, SSL_read, SSL *, void *, int);
  int count;
  while ((count = read_tls(tls, buffer, sizeof buffer)) > 0) bytes += count;
  printf("done %lld %lld %lld\n", start, now_ns(), bytes);
  return 0;
}

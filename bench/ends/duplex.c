/* duplex ADDRESS BYTES [FILE]: accepts one connection, sends and receives BYTES at once.
   Prints "sent START NS BYTES", "received START NS BYTES" (the time of the last byte), and with
   FILE "written START NS BYTES": when the tool's output file had grown to BYTES.
   It ends its side only when it has received everything, so that a tool that leaves at the peer's
   end loses nothing. */
#include "ends.h"
#include <pthread.h>
#include <sys/stat.h>

static char outgoing[1 << 18], incoming[1 << 20];
static long long start, bytes, received, received_at;
static int peer;

static void *receive(void *unused) {
  ssize_t count;
  while ((count = read(peer, incoming, sizeof incoming)) > 0) {
    received += count;
    if (received >= bytes && received - count < bytes) received_at = now_ns();
    if (received >= bytes) break;
  }
  return unused;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  pthread_t receiver;
  struct stat file = {0};
  signal(SIGPIPE, SIG_IGN);
  bytes = atoll(argv[2]);
  int listener = listen_at(argv[1]);
  peer = accept(listener, 0, 0);
  if (peer < 0) fail("accept");
  start = now_ns();
  pthread_create(&receiver, 0, receive, 0);
  long long sent = write_all(peer, outgoing, sizeof outgoing, bytes);
  printf("sent %lld %lld %lld\n", start, now_ns(), sent);
  if (argc > 3 && sent == bytes) {
    for (int tries = 0; tries < 100000 && !stat(argv[3], &file) && file.st_size < bytes; tries++) usleep(200);
    printf("written %lld %lld %lld\n", start, now_ns(), (long long)file.st_size);
  }
  pthread_join(receiver, 0);
  printf("received %lld %lld %lld\n", start, received_at, received);
  fflush(stdout);
  shutdown(peer, SHUT_WR);
  while (read(peer, incoming, sizeof incoming) > 0) continue;
  return 0;
}

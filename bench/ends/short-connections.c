/* short-connections PORT COUNT PARALLEL: makes COUNT connections, PARALLEL at a time; each sends 10 bytes, ends
   its side, waits for the other's end and closes. Prints "done START END GOOD FAILED". */
#include "ends.h"
#include <pthread.h>
#include <stdatomic.h>

static union any_address to;
static socklen_t length;
static atomic_long left, good, failed;

static void *work(void *unused) {
  char buffer[64];
  struct timeval patience = {.tv_sec = 5};
  while (atomic_fetch_sub(&left, 1) > 0) {
    int peer = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    ssize_t got = -1;
    if (!connect(peer, &to.any, length) && write(peer, "0123456789", 10) == 10 && !shutdown(peer, SHUT_WR))
      while ((got = read(peer, buffer, sizeof buffer)) > 0) continue;
    atomic_fetch_add(got == 0 ? &good : &failed, 1);
    close(peer);
  }
  return unused;
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  pthread_t threads[64];
  int parallel = atoi(argv[3]);
  signal(SIGPIPE, SIG_IGN);
  length = parse_address(argv[1], &to);
  left = atol(argv[2]);
  long long start = now_ns();
  for (int i = 0; i < parallel; i++) pthread_create(&threads[i], 0, work, 0);
  for (int i = 0; i < parallel; i++) pthread_join(threads[i], 0);
  printf("done %lld %lld %ld %ld\n", start, now_ns(), good, failed);
  return 0;
}

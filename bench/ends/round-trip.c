/* round-trip PORT SIZE WARM_UP TRIPS TOOL...: starts the tool between two pipes and is the server that it
   connects to. A trip is SIZE bytes into the tool's stdin, out of the socket, back into it, and out of the
   tool's stdout. Prints "done P50 P99" in nanoseconds. */
#include "ends.h"

static char buffer[1 << 16];

static void read_all(int from, ssize_t size) {
  for (ssize_t got = 0; got < size;) {
    ssize_t count = read(from, buffer, size - got);
    if (count <= 0) {
      fprintf(stderr, "the tool ended during a trip\n");
      exit(1);
    }
    got += count;
  }
}

static int by_size(const void *a, const void *b) {
  long long left = *(const long long *)a, right = *(const long long *)b;
  return (left > right) - (left < right);
}

int main(int argc, char **argv) {
  if (argc < 6) return 2;
  ssize_t size = atoi(argv[2]);
  long warm_up = atol(argv[3]), trips = atol(argv[4]);
  long long *times = calloc(trips, sizeof *times);
  if (size < 1 || size > (ssize_t)sizeof buffer) return 2;
  int in[2], out[2], one = 1;
  signal(SIGPIPE, SIG_IGN);
  int listener = listen_at(argv[1]);
  if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) fail("pipe");
  fcntl(listener, F_SETFD, FD_CLOEXEC);
  pid_t tool = fork();
  if (tool < 0) fail("fork");
  if (tool == 0) {
    signal(SIGPIPE, SIG_DFL);
    dup2(in[0], 0);
    dup2(out[1], 1);
    execvp(argv[5], argv + 5);
    fail(argv[5]);
  }
  close(in[0]);
  close(out[1]);
  int peer = accept(listener, 0, 0);
  if (peer < 0) fail("accept");
  setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  for (long trip = -warm_up; trip < trips; trip++) {
    long long start = now_ns();
    if (write(in[1], buffer, size) != size) fail("stdin of the tool");
    read_all(peer, size);
    if (write(peer, buffer, size) != size) fail("the connection");
    read_all(out[0], size);
    if (trip >= 0) times[trip] = now_ns() - start;
  }
  qsort(times, trips, sizeof *times, by_size);
  printf("done %lld %lld\n", times[trips / 2], times[trips * 99 / 100]);
  fflush(stdout);
  kill(tool, SIGKILL);
  waitpid(tool, 0, 0);
  return 0;
}

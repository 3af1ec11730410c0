/* What the far ends share: the clock, and sockets named by a port of 127.0.0.1 or by a path. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* CLOCK_MONOTONIC is the same for all processes, so that two far ends' times can be subtracted. */
static inline long long now_ns(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static inline void fail(const char *what) {
  perror(what);
  exit(1);
}

union any_address {
  struct sockaddr any;
  struct sockaddr_in inet;
  struct sockaddr_un local;
};

/* "/a/path" is a UNIX socket, anything else a port of 127.0.0.1. */
static inline socklen_t parse_address(const char *text, union any_address *to) {
  memset(to, 0, sizeof *to);
  if (text[0] == '/') {
    to->local.sun_family = AF_UNIX;
    snprintf(to->local.sun_path, sizeof to->local.sun_path, "%s", text);
    return sizeof to->local;
  }
  to->inet.sin_family = AF_INET;
  to->inet.sin_port = htons(atoi(text));
  to->inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return sizeof to->inet;
}

/* Listens, and prints "ready PORT" (0 for a path). Port 0 lets the system choose. */
static inline int listen_at(const char *text) {
  union any_address at;
  socklen_t length = parse_address(text, &at);
  int one = 1, listener = socket(at.any.sa_family, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (listener < 0 || bind(listener, &at.any, length) || listen(listener, 64)) fail("listen");
  if (at.any.sa_family == AF_INET) getsockname(listener, &at.any, &length);
  printf("ready %d\n", at.any.sa_family == AF_INET ? ntohs(at.inet.sin_port) : 0);
  fflush(stdout);
  return listener;
}

/* Connects, trying again for ten seconds while nobody listens. */
static inline int connect_to(const char *text) {
  union any_address to;
  socklen_t length = parse_address(text, &to);
  for (int tries = 0; tries < 5000; tries++, usleep(2000)) {
    int peer = socket(to.any.sa_family, SOCK_STREAM, 0);
    if (peer < 0) fail("socket");
    if (!connect(peer, &to.any, length)) return peer;
    close(peer);
  }
  fail("connect");
  return -1;
}

/* Writes all; returns how much was taken before an error, if there was one. */
static inline long long write_all(int to, const char *buffer, size_t size, long long bytes) {
  long long left = bytes;
  while (left > 0) {
    ssize_t taken = write(to, buffer, left < (long long)size ? (size_t)left : size);
    if (taken < 0 && errno == EINTR) continue;
    if (taken < 0) break;
    left -= taken;
  }
  return bytes - left;
}

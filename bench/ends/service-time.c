/* service-time KIND PORT MICROSECONDS COMMAND...: runs the command, which waits for a service on a port of 127.0.0.1 and
   whose output is discarded, and is that service so long after the spawn; with 0 before it. One of the KIND "http" answers
   what it is asked with status 200, one of "tcp" closes.
   Prints "done TOTAL SINCE STATUS": nanoseconds from the spawn to the exit, and from the service to the exit. */
#include "command.h"
#include <pthread.h>

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
static int is_http;

/* Its own, so that nobody else can have the port; whoever connects is still refused. */
static int take_port(const char *port) {
  union any_address at;
  socklen_t length = parse_address(port, &at);
  int one = 1, service = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(service, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (service < 0 || bind(service, &at.any, length)) fail("bind");
  return service;
}

/* In a thread: a client that asks nothing keeps no other one waiting. */
static void *serve_one(void *given) {
  int peer = (int)(long)given;
  char request[4096];
  size_t size = 0;
  ssize_t count = 1;
  while (is_http && count > 0 && size < sizeof request && !memmem(request, size, "\r\n\r\n", 4)) {
    count = read(peer, request + size, sizeof request - size);
    if (count > 0) size += count;
  }
  if (is_http && count > 0) send(peer, answer, sizeof answer - 1, MSG_NOSIGNAL);
  close(peer);
  return 0;
}

static void *serve(void *service) {
  for (;;) {
    pthread_t server;
    int peer = accept4((int)(long)service, 0, 0, SOCK_CLOEXEC);
    if (peer < 0) continue;
    if (pthread_create(&server, 0, serve_one, (void *)(long)peer)) fail("pthread_create");
    pthread_detach(server);
  }
  return 0;
}

/* When it listened, which is when it was up. */
static long long come_up(int service) {
  pthread_t server;
  if (listen(service, 64)) fail("listen");
  long long up = now_ns();
  if (pthread_create(&server, 0, serve, (void *)(long)service)) fail("pthread_create");
  return up;
}

static int has_ended(pid_t tool) {
  siginfo_t state = {.si_pid = 0};
  waitid(P_PID, tool, &state, WEXITED | WNOHANG | WNOWAIT);
  return state.si_pid == tool;
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  is_http = !strcmp(argv[1], "http");
  int service = take_port(argv[2]);
  long long delay = atoll(argv[3]), up = 0;
  if (delay == 0) up = come_up(service);
  long long start = now_ns();
  pid_t tool = start_command(-1, argv + 4);
  if (delay > 0) {
    struct timespec wait = {.tv_sec = delay / 1000000, .tv_nsec = delay % 1000000 * 1000};
    nanosleep(&wait, 0);
    if (has_ended(tool)) {
      fprintf(stderr, "the command ended before there was a service\n");
      return 1;
    }
    up = come_up(service);
  }
  int status = end_of(tool);
  long long end = now_ns();
  printf("done %lld %lld %d\n", end - start, end - up, status);
  return 0;
}

/* clients PORT COUNT: opens COUNT connections, up to 64 at a time on their way, sends 1 KiB through each and
   keeps them. Prints "connected START NS COUNT FAILED" when all are decided, "answered NS COUNT" once every
   connection has received 1 KiB, and at the end of its stdin "done ANSWERED LOST", where LOST are the ones that
   failed, or that the tool ended before. */
#include "ends.h"
#include <sys/epoll.h>

enum { KIB = 1024, PENDING = 64, MOST = 1 << 20 };
enum state { CONNECTING, OPEN, GONE };

static struct {
  enum state state;
  int received;
} clients[MOST];

static char buffer[KIB];

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  union any_address to;
  socklen_t length = parse_address(argv[1], &to);
  long count = atol(argv[2]), opened = 0, pending = 0, connected = 0, lost = 0, answered = 0;
  int told = 0, epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = 0}, events[256];
  signal(SIGPIPE, SIG_IGN);
  setvbuf(stdout, 0, _IOLBF, 0);
  epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event);
  long long start = now_ns();
  for (;;) {
    while (opened < count && pending < PENDING) {
      int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      opened++;
      if (client < 0 || client >= MOST || (connect(client, &to.any, length) && errno != EINPROGRESS)) {
        if (client >= 0) close(client);
        lost++;
        continue;
      }
      clients[client].state = CONNECTING;
      event = (struct epoll_event){.events = EPOLLOUT, .data.fd = client};
      epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event);
      pending++;
    }
    if (!told && opened == count && pending == 0) {
      printf("connected %lld %lld %ld %ld\n", start, now_ns(), connected, lost);
      told = 1;
    }
    int ready = epoll_wait(epoll, events, 256, -1);
    for (int i = 0; i < ready; i++) {
      int client = events[i].data.fd;
      if (client == 0) {
        printf("done %ld %ld\n", answered, lost);
        return 0;
      }
      if (clients[client].state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &size);
        pending--;
        if (error || write(client, buffer, KIB) != KIB) {
          clients[client].state = GONE;
          lost++;
          close(client);
          continue;
        }
        clients[client].state = OPEN;
        connected++;
        event = (struct epoll_event){.events = EPOLLIN, .data.fd = client};
        epoll_ctl(epoll, EPOLL_CTL_MOD, client, &event);
        continue;
      }
      ssize_t got = read(client, buffer, KIB);
      if (got < 0 && errno == EAGAIN) continue;
      if (got <= 0) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, client, 0);
        clients[client].state = GONE;
        lost++;
        continue;
      }
      clients[client].received += got;
      if (clients[client].received >= KIB && clients[client].received - got < KIB) {
        if (++answered == count) printf("answered %lld %ld\n", now_ns(), answered);
      }
    }
  }
}

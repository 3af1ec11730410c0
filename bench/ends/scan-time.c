/* scan-time MICROSECONDS OPEN FILTERED COMMAND...: runs the command, its output discarded, in a network of its own: a scan
   comes to nobody else's ports. The port OPEN is open there, the others refuse; at 127.0.0.1, and at 192.0.2.2, which is so
   far away, there and back, and with FILTERED 1 says nothing at the other ports. Without MICROSECONDS (0) there is
   127.0.0.1 alone. Prints "done NS STATUS FOUND": from spawn to exit, and 1 if somebody came to OPEN.

   The far host is this one: what is sent to it comes out of a tun device, waits here, and goes in again with its two
   addresses exchanged, which keeps the checksums right, and the system answers itself. So the delay is the same with
   every kernel, be it one without its own delay (netem). */
#include "command.h"
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#define HERE "192.0.2.1"
#define MASK "255.255.255.252"
#define MOST_HELD 16384

static struct packet {
  long long due;
  ssize_t size;
  unsigned char bytes[1500];
} held[MOST_HELD];
static long long one_way_ns;
static int device, open_port, filtered;

/* Without root's rights a user namespace lets us have a network that ends with this process. */
static void make_network(void) {
  if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET)) fail("no network namespace");
}

static void bring_up(int control, struct ifreq *interface) {
  interface->ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(control, SIOCSIFFLAGS, interface)) fail("interface up");
}

static void set_address(int control, unsigned long request, const char *text, struct ifreq *interface) {
  struct sockaddr_in at = {.sin_family = AF_INET};
  inet_pton(AF_INET, text, &at.sin_addr);
  memcpy(&interface->ifr_addr, &at, sizeof at);
  if (ioctl(control, request, interface)) fail("interface address");
}

/* Its other end is this process. */
static void make_device(int control) {
  struct ifreq interface = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  device = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (device < 0 || ioctl(device, TUNSETIFF, &interface)) fail("no tun device");
  set_address(control, SIOCSIFADDR, HERE, &interface);
  set_address(control, SIOCSIFNETMASK, MASK, &interface);
  bring_up(control, &interface);
}

static int open_service(void) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(open_port)};
  int service = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (service < 0 || bind(service, (struct sockaddr *)&at, sizeof at) || listen(service, 64)) fail("listen");
  return service;
}

/* TCP over IPv4 alone; where ports are filtered, only from and to the open one. */
static int passes(const unsigned char *bytes, ssize_t size) {
  int header = (bytes[0] & 15) * 4;
  if (size < header + 20 || bytes[0] >> 4 != 4 || bytes[9] != IPPROTO_TCP) return 0;
  int from = bytes[header] << 8 | bytes[header + 1];
  int to = bytes[header + 2] << 8 | bytes[header + 3];
  return !filtered || from == open_port || to == open_port;
}

static void exchange_addresses(unsigned char *bytes) {
  unsigned char source[4];
  memcpy(source, bytes + 12, 4);
  memcpy(bytes + 12, bytes + 16, 4);
  memcpy(bytes + 16, source, 4);
}

/* The first that came is the first to go, as all wait equally long. */
static void *carry(void *nothing) {
  unsigned first = 0, next = 0;
  prctl(PR_SET_TIMERSLACK, 1);
  for (;;) {
    long long left = 0;
    for (; first != next && (left = held[first % MOST_HELD].due - now_ns()) <= 0; first++) {
      struct packet *due = &held[first % MOST_HELD];
      if (write(device, due->bytes, due->size) < 0) fail("tun write");
    }
    struct timespec wait = {.tv_nsec = left};
    struct pollfd readable = {.fd = device, .events = POLLIN};
    if (ppoll(&readable, 1, first == next ? 0 : &wait, 0) <= 0) continue;
    struct packet *packet = &held[next % MOST_HELD];
    packet->size = read(device, packet->bytes, sizeof packet->bytes);
    if (packet->size < 0) fail("tun read");
    if (!passes(packet->bytes, packet->size)) continue;
    exchange_addresses(packet->bytes);
    packet->due = now_ns() + one_way_ns;
    if (++next - first == MOST_HELD) fail("too many packets");
  }
  return nothing;
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  one_way_ns = atoll(argv[1]) * 1000 / 2;
  open_port = atoi(argv[2]);
  filtered = atoi(argv[3]);
  make_network();
  int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq loopback = {.ifr_name = "lo"};
  pthread_t carrier;
  bring_up(control, &loopback);
  if (one_way_ns > 0) {
    make_device(control);
    if (pthread_create(&carrier, 0, carry, 0)) fail("pthread_create");
  }
  int service = open_service();
  long long start = now_ns();
  int status = end_of(start_command(-1, argv + 4));
  long long end = now_ns();
  printf("done %lld %d %d\n", end - start, status, accept(service, 0, 0) >= 0);
  return 0;
}

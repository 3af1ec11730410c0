/* feed BYTES: writes BYTES to stdout, 64 KiB at a time. */
#include "ends.h"

static char buffer[1 << 16];

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  long long bytes = atoll(argv[1]);
  return write_all(1, buffer, sizeof buffer, bytes) < bytes;
}

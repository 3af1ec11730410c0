import { constants, fstatSync, openSync, type Stats, statSync } from "node:fs";

/**
 * Whether a descriptor is a terminal (isatty(3)).
 *
 * node:tty brings node:net and the streams with it, some milliseconds, and is loaded only for what
 * may be a terminal.
 */
export function isTerminal(descriptor: number): boolean {
  try {
    const stats = fstatSync(descriptor);
    if (process.platform !== "win32" && (!stats.isCharacterDevice() || isNullDevice(stats)))
      return false;
  } catch {
    return false;
  }
  return process.getBuiltinModule("node:tty").isatty(descriptor);
}

/** Whether it is /dev/null. */
export function isNullDevice(stats: Stats): boolean {
  if (!stats.isCharacterDevice()) return false;
  return statSync("/dev/null", { throwIfNoEntry: false })?.rdev === stats.rdev;
}

/**
 * Whether it is what Node has for a socket of messages (SOCK_SEQPACKET, SOCK_DGRAM), as stdout or
 * stderr: a stream that takes all, and writes nothing.
 */
export function writesNothing(stream: NodeJS.WriteStream): boolean {
  return stream.constructor.name === "Writable";
}

/**
 * The same pipe or terminal under a descriptor of our own, or undefined where the system cannot
 * (Linux can).
 *
 * It is written without blocking, so that signals and timers are served while its reader is slow, or
 * a terminal is stopped (^S). That property belongs to the open pipe, not to us: other programs that
 * share it would meet write errors. An open pipe of our own keeps it to ourselves.
 */
export function reopenWithoutBlocking(descriptor: number): number | undefined {
  try {
    return openSync(
      `/proc/self/fd/${String(descriptor)}`,
      constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
  } catch {
    return undefined;
  }
}

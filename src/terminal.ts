import { fstatSync, type Stats, statSync } from "node:fs";

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

import { readSync, writeSync, writevSync } from "node:fs";
import { codeOf } from "../errors.ts";

/**
 * Writes to a descriptor at once, as much as the system takes (write(2), writev(2)).
 *
 * @returns the number of bytes taken, or undefined where the descriptor is full (EAGAIN)
 * @throws the system's error, for any other reason
 */
export function tryWrite(
  descriptor: number,
  bytes: Buffer | readonly Buffer[],
): number | undefined {
  return unlessAgain(() =>
    Buffer.isBuffer(bytes) ? writeSync(descriptor, bytes) : writevSync(descriptor, bytes),
  );
}

/**
 * Reads from a descriptor what is there at once, at most `length` bytes to `at` (read(2)).
 *
 * @returns the number of bytes read, 0 at the end, or undefined where nothing is there (EAGAIN)
 * @throws the system's error, for any other reason
 */
export function tryRead(
  descriptor: number,
  buffer: Buffer,
  at = 0,
  length = buffer.length - at,
): number | undefined {
  return unlessAgain(() => readSync(descriptor, buffer, at, length, null));
}

/**
 * A full pipe and an empty socket are everyday things here, and the stack trace of an error that
 * nobody looks at costs more than the call: there is none.
 */
function unlessAgain(call: () => number): number | undefined {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return call();
  } catch (error) {
    if (codeOf(error) === "EAGAIN") return undefined;
    throw error;
  } finally {
    Error.stackTraceLimit = limit;
  }
}

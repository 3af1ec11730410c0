import { writeSync, writevSync } from "node:fs";
import { codeOf } from "../errors.ts";

/**
 * Writes to a descriptor at once, as much as the system takes (write(2), writev(2)).
 *
 * A full pipe or socket is an everyday thing here, and the stack trace of an error that nobody looks
 * at costs more than the write: there is none.
 *
 * @returns the number of bytes taken, or undefined where the descriptor is full (EAGAIN)
 * @throws the system's error, for any other reason
 */
export function tryWrite(
  descriptor: number,
  bytes: Buffer | readonly Buffer[],
): number | undefined {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return Buffer.isBuffer(bytes) ? writeSync(descriptor, bytes) : writevSync(descriptor, bytes);
  } catch (error) {
    if (codeOf(error) === "EAGAIN") return undefined;
    throw error;
  } finally {
    Error.stackTraceLimit = limit;
  }
}

import { constants, fstatSync, openSync, readFileSync, statSync, type Stats } from "node:fs";
import { Socket } from "node:net";
import { isatty } from "node:tty";
import { DescriptorSink } from "../flow/descriptor-sink.ts";
import type { Sink, Source } from "../flow/chunk.ts";
import { FileSource } from "../flow/file-source.ts";
import { StreamSink } from "../flow/stream-sink.ts";
import { StreamSource } from "../flow/stream-source.ts";
import { readDescriptor } from "./socket-reads.ts";

const input = 0;
const output = 1;

/** stdin as a source; nothing is read before it is started. */
export function openStdin(): Source {
  if (isatty(input))
    return new StreamSource(process.stdin, "terminal", () => process.stdin.destroy());
  const stats = fstatSync(input);
  if (stats.isFile() || stats.isBlockDevice() || stats.isDirectory()) return new FileSource(input);
  if (stats.isFIFO() || stats.isSocket()) return readDescriptor(input);
  return new StreamSource(process.stdin, "stream", () => process.stdin.destroy());
}

/** stdout as a sink. Its end leaves stdout open. */
export function openStdout(): Sink {
  if (isatty(output)) return new StreamSink(process.stdout, "flush");
  const stats = fstatSync(output);
  if (!stats.isFIFO() && !stats.isSocket()) return new DescriptorSink(output);
  const own = reopen(output);
  if (own === undefined) return new StreamSink(process.stdout, "flush");
  return new StreamSink(new Socket({ fd: own, readable: false, writable: true }), "flush");
}

/**
 * The same pipe under a descriptor of our own, or undefined where the system cannot (Linux can).
 *
 * A pipe is written without blocking, so that signals and timers are served while its reader is
 * slow. That property belongs to the open pipe, not to us: other programs that share our stdout
 * would meet write errors. An open pipe of our own keeps it to ourselves.
 */
function reopen(descriptor: number): number | undefined {
  try {
    return openSync(
      `/proc/self/fd/${String(descriptor)}`,
      constants.O_WRONLY | constants.O_NONBLOCK,
    );
  } catch {
    return undefined;
  }
}

export const stdinIsTerminal = (): boolean => isatty(input);
export const stdoutIsTerminal = (): boolean => isatty(output);

/**
 * Whether stdin can hold nothing to send: /dev/null, which is also what Node puts in the place of a
 * stdin that was closed.
 */
export function stdinIsNull(): boolean {
  return isNull(input);
}

/**
 * Whether stdout seems to have been closed (`>&-`). Node opens /dev/null for reading and writing in
 * its place, as some parents do on purpose, where `>/dev/null` is for writing only. Known on Linux.
 */
export function stdoutSeemsClosed(): boolean {
  if (process.platform !== "linux" || !isNull(output)) return false;
  const flags = /^flags:\s+(\d+)$/m.exec(
    readFileSync(`/proc/self/fdinfo/${String(output)}`, "latin1"),
  );
  return (parseInt(flags?.[1] ?? "0", 8) & accessMode) === constants.O_RDWR;
}

const accessMode = constants.O_RDONLY | constants.O_WRONLY | constants.O_RDWR;

function isNull(descriptor: number): boolean {
  const stats = fstatSync(descriptor);
  if (!stats.isCharacterDevice()) return false;
  const device = nullDevice();
  return device !== undefined && device.rdev === stats.rdev;
}

function nullDevice(): Stats | undefined {
  return statSync("/dev/null", { throwIfNoEntry: false });
}

import { constants, fstatSync, openSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { DescriptorSink, type WriteLater } from "../flow/descriptor-sink.ts";
import type { Sink } from "../flow/chunk.ts";
import { StreamSink } from "../flow/stream-sink.ts";
import { isNullDevice, isTerminal } from "../terminal.ts";
import { plainPath } from "./plain-path.ts";

const output = 1;

/** A file takes large pieces best, a pipe as much as it holds. */
const fileBytes = 256 * 1024;
const pipeBytes = 64 * 1024;

/** stdout as a sink. Its end leaves stdout open. */
export function openStdout(): Sink {
  if (plainPath) return plainSink();
  if (isTerminal(output)) {
    const own = reopen(output);
    return own === undefined ? plainSink() : new DescriptorSink(own);
  }
  const stats = fstatSync(output);
  if (stats.isFile()) return new DescriptorSink(output, fileBytes);
  if (!stats.isFIFO() && !stats.isSocket()) return new DescriptorSink(output);
  const own = reopen(output);
  return own === undefined ? plainSink() : new DescriptorSink(own, pipeBytes, writeLater(own));
}

/** node:net is loaded for a pipe that is full, not for one that takes everything. */
export function writeLater(pipe: number): WriteLater {
  let socket: Socket | undefined;
  return (bytes, written) => {
    if (socket === undefined) {
      const { Socket } = process.getBuiltinModule("node:net");
      socket = new Socket({ fd: pipe, readable: false, writable: true });
      socket.on("error", () => undefined);
    }
    socket.write(bytes, written);
  };
}

const plainSink = () => new StreamSink(process.stdout, "flush");

/**
 * The same pipe or terminal under a descriptor of our own, or undefined where the system cannot
 * (Linux can).
 *
 * It is written without blocking, so that signals and timers are served while its reader is slow, or
 * a terminal is stopped (^S). That property belongs to the open pipe, not to us: other programs that
 * share our stdout would meet write errors. An open pipe of our own keeps it to ourselves.
 */
function reopen(descriptor: number): number | undefined {
  try {
    return openSync(
      `/proc/self/fd/${String(descriptor)}`,
      constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
  } catch {
    return undefined;
  }
}

export const stdoutIsTerminal = (): boolean => isTerminal(output);

/**
 * Whether stdout seems to have been closed (`>&-`). Node opens /dev/null for reading and writing in
 * its place, as some parents do on purpose, where `>/dev/null` is for writing only. Known on Linux.
 */
export function stdoutSeemsClosed(): boolean {
  if (process.platform !== "linux" || !isNullDevice(fstatSync(output))) return false;
  const flags = /^flags:\s+(\d+)$/m.exec(
    readFileSync(`/proc/self/fdinfo/${String(output)}`, "latin1"),
  );
  return (parseInt(flags?.[1] ?? "0", 8) & accessMode) === constants.O_RDWR;
}

const accessMode = constants.O_RDONLY | constants.O_WRONLY | constants.O_RDWR;

import { constants, existsSync, fstatSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { DescriptorSink, type WriteLater } from "../flow/descriptor-sink.ts";
import type { Sink } from "../flow/chunk.ts";
import { NullSink } from "../flow/null-sink.ts";
import { StreamSink } from "../flow/stream-sink.ts";
import { isNullDevice, isTerminal, reopenWithoutBlocking, writesNothing } from "../terminal.ts";
import { plainPath } from "./plain-path.ts";

const output = 1;

/** A file takes large pieces best, a pipe as much as it holds. */
const fileBytes = 256 * 1024;
const pipeBytes = 64 * 1024;

/** stdout as a sink. Its end leaves stdout open. */
export function openStdout(): Sink {
  if (plainPath) return plainSink();
  if (isTerminal(output)) {
    const own = reopenWithoutBlocking(output);
    return own === undefined ? plainSink() : new DescriptorSink(own);
  }
  const stats = fstatSync(output);
  if (stats.isFile()) return new DescriptorSink(output, fileBytes);
  if (isNullDevice(stats)) return new NullSink(output);
  if (!stats.isFIFO() && !stats.isSocket()) return new DescriptorSink(output);
  const own = reopenWithoutBlocking(output);
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

function plainSink(): Sink {
  const { stdout } = process;
  if (writesNothing(stdout)) return new DescriptorSink(output, pipeBytes);
  return new StreamSink(stdout, "flush");
}

export const stdoutIsTerminal = (): boolean => isTerminal(output);

/**
 * Whether stdout seems to have been closed (`>&-`). Node opens /dev/null for reading and writing in
 * its place, as some parents do on purpose, where `>/dev/null` is for writing only. Known on Linux.
 */
export function stdoutSeemsClosed(): boolean {
  if (process.platform !== "linux" || !isNullDevice(fstatSync(output))) return false;
  const path = `/proc/self/fdinfo/${String(output)}`;
  if (!existsSync(path)) return false;
  const flags = /^flags:\s+(\d+)$/m.exec(readFileSync(path, "latin1"));
  return (parseInt(flags?.[1] ?? "0", 8) & accessMode) === constants.O_RDWR;
}

const accessMode = constants.O_RDONLY | constants.O_WRONLY | constants.O_RDWR;

import { fstatSync } from "node:fs";
import type { Nature, Source } from "../flow/chunk.ts";
import { FileSource } from "../flow/file-source.ts";
import { StreamSource } from "../flow/stream-source.ts";
import { isNullDevice, isTerminal } from "../terminal.ts";
import { plainPath } from "./plain-path.ts";
import { readDescriptor } from "./socket-reads.ts";

const input = 0;

/** stdin as a source; nothing is read before it is started. */
export function openStdin(): Source {
  if (stdinIsTerminal()) return streamSource("terminal");
  const stats = fstatSync(input);
  // Of a directory Node's stdin would be an empty one.
  if (plainPath && !stats.isDirectory()) return streamSource(stats.isFile() ? "file" : "stream");
  if (stats.isFile() || stats.isBlockDevice() || stats.isDirectory()) return new FileSource(input);
  if (stats.isFIFO() || stats.isSocket()) return readDescriptor(input);
  return streamSource("stream");
}

function streamSource(nature: Nature): Source {
  return new StreamSource(process.stdin, nature, () => process.stdin.destroy());
}

export const stdinIsTerminal = (): boolean => isTerminal(input);

/**
 * Whether stdin can hold nothing to send: /dev/null, which is also what Node puts in the place of a
 * stdin that was closed.
 */
export const stdinIsNull = (): boolean => isNullDevice(fstatSync(input));

import { fstatSync } from "node:fs";
import { codeOf, ExitCode, PortcatError } from "../errors.ts";
import type { Nature, Source } from "../flow/chunk.ts";
import { FileSource } from "../flow/file-source.ts";
import { StreamSource } from "../flow/stream-source.ts";
import { isNullDevice, isTerminal } from "../terminal.ts";
import { plainPath } from "./plain-path.ts";
import { readDescriptor } from "./socket-reads.ts";

const input = 0;

/**
 * stdin as a source; nothing is read before it is started.
 *
 * @throws PortcatError (exit code 1) when it is a socket of messages
 */
export function openStdin(): Source {
  if (stdinIsTerminal()) return streamSource("terminal");
  const stats = fstatSync(input);
  // Of a directory Node's stdin would be an empty one.
  if (plainPath && !stats.isDirectory()) return streamSource(stats.isFile() ? "file" : "stream");
  if (stats.isFile() || stats.isBlockDevice() || stats.isDirectory()) return new FileSource(input);
  if (!stats.isFIFO() && !stats.isSocket()) return streamSource("stream");
  try {
    return readDescriptor(input);
  } catch (error) {
    if (codeOf(error) !== "ERR_INVALID_FD_TYPE") throw error;
    throw noStream();
  }
}

function noStream(): PortcatError {
  return new PortcatError(
    "cannot read stdin: it is a socket that has messages (SOCK_DGRAM or SOCK_SEQPACKET), expected a stream",
    { exitCode: ExitCode.failure, code: "ESOCKTNOSUPPORT" },
  );
}

function streamSource(nature: Nature): Source {
  // What Node has for such a socket: a stream that has ended.
  if (process.stdin.constructor.name === "Readable") throw noStream();
  return new StreamSource(process.stdin, nature, () => process.stdin.destroy());
}

export const stdinIsTerminal = (): boolean => isTerminal(input);

/**
 * Whether stdin can hold nothing to send: /dev/null, which is also what Node puts in the place of a
 * stdin that was closed.
 */
export const stdinIsNull = (): boolean => isNullDevice(fstatSync(input));

import { closeSync, constants, openSync, readSync, statSync } from "node:fs";
import { causeInWords, codeOf, ExitCode } from "../errors.ts";
import { type AskTarget, type Readiness, ready, unexpected } from "./readiness.ts";

/** What is looked at of a file, for text that has to be in it: its end, as of a log. */
const mostBytes = 1 << 20;

/**
 * Asks for a file.
 *
 * @param settled - whether it has to be as it was the time before, in size and time of change
 * @param meets - whether its text is what was expected
 */
export function askFile(
  path: string,
  settled: boolean,
  meets: ((text: string) => boolean) | undefined,
): AskTarget {
  let before = "";
  const look = (): Readiness => {
    const stats = statSync(path);
    const now = `${String(stats.size)} ${String(stats.mtimeMs)}`;
    const changes = before !== "" && before !== now;
    before = now;
    const words = `it is there, with ${String(stats.size)} bytes`;
    if (settled && changes) return unexpected(`${words}, and changes`, { gist: "changes" });
    if (meets === undefined) return ready(words);
    return stats.isFile() && meets(endOf(path, stats.size))
      ? ready(`${words}, and has what was expected`)
      : unexpected(`${words}, without what was expected`, { gist: "without" });
  };
  return (_, signal) =>
    new Promise((resolve) => {
      signal.throwIfAborted();
      try {
        resolve({ answer: look(), cut: false });
      } catch (error) {
        before = "";
        resolve({ answer: missing(error), cut: false });
      }
    });
}

/** @throws `error` where it is none of the system's */
function missing(error: unknown): Readiness {
  const code = codeOf(error);
  if (code === "") throw error;
  return {
    there: code !== "ENOENT" && code !== "ENOTDIR",
    ready: false,
    words: causeInWords(error),
    code,
    exitCode: ExitCode.timedOut,
  };
}

function endOf(path: string, size: number): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    // Those of /proc have no size.
    const bytes = Buffer.alloc(Math.min(Math.max(size, 64 * 1024), mostBytes));
    const count = readSync(fd, bytes, 0, bytes.length, Math.max(size - bytes.length, 0));
    return bytes.subarray(0, count).toString();
  } finally {
    closeSync(fd);
  }
}

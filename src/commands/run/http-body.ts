import { createReadStream, fstatSync, openSync, readFileSync, type Stats, statSync } from "node:fs";
import { openStdin, stdinIsNull } from "../../endpoints/stdin.ts";
import { codeOf, systemError } from "../../errors.ts";
import { BytesSource } from "../../flow/bytes-source.ts";
import type { Source } from "../../flow/chunk.ts";
import { FileSource } from "../../flow/file-source.ts";
import { SizedSource } from "../../flow/sized-source.ts";
import { StreamSource } from "../../flow/stream-source.ts";

/** The body of a request. */
export interface Body {
  /** How long it is, where that is known. */
  readonly bytes: number | undefined;
  /** What it is, where that is known. */
  readonly type?: string;
  /** Whether it can be opened more than once. */
  readonly repeatable: boolean;
  readonly open: () => Source;
}

/** A body without a byte, and the end of every request that has none. */
export const noSource: Source = {
  nature: "file",
  lent: 0,
  start: (to) => to.end(),
  stop: () => undefined,
};

/**
 * The body that --data names: "-" is stdin, "@path" a file, anything else the text itself.
 *
 * @throws PortcatError (exit code 1) when the file cannot be read
 */
export function bodyOf(data: string): Body {
  if (data === "-" || data === "@-") return ofStdin();
  return data.startsWith("@") ? ofFile(data.slice(1)) : ofText(data);
}

function ofText(text: string): Body {
  const bytes = Buffer.from(text);
  const type = isJson(text) ? "application/json" : "text/plain; charset=utf-8";
  const open = () => (bytes.length === 0 ? noSource : new BytesSource(bytes));
  return { bytes: bytes.length, type, repeatable: true, open };
}

/** Whether it is a JSON object or array. */
function isJson(text: string): boolean {
  try {
    return /^\s*[[{]/.test(text) && JSON.parse(text) !== undefined;
  } catch {
    return false;
  }
}

function ofFile(path: string): Body {
  const stats = fileOf(path);
  const open = (): Source =>
    stats.isFile()
      ? new SizedSource(new FileSource(openSync(path, "r")), stats.size)
      : streamOf(path);
  return {
    bytes: stats.isFile() ? stats.size : undefined,
    repeatable: stats.isFile(),
    open: () => named(path, open()),
  };
}

function fileOf(path: string): Stats {
  try {
    const stats = statSync(path);
    if (stats.isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" });
    return stats;
  } catch (error) {
    throw systemError(`cannot read ${path}`, error);
  }
}

function streamOf(path: string): Source {
  const stream = createReadStream(path);
  return new StreamSource(stream, "stream", () => stream.destroy());
}

/** A source whose failures name the file. */
function named(path: string, source: Source): Source {
  return {
    nature: source.nature,
    get lent() {
      return source.lent;
    },
    start: (to, failed) =>
      source.start(to, (error) => failed(systemError(`cannot read ${path}`, error))),
    stop: () => source.stop(),
  };
}

function ofStdin(): Body {
  if (stdinIsNull()) return { bytes: 0, repeatable: true, open: () => noSource };
  const stats = fstatSync(0);
  const begin = stats.isFile() ? positionOf(0) : undefined;
  if (begin === undefined) return { bytes: undefined, repeatable: false, open: openStdin };
  const bytes = Math.max(0, stats.size - begin);
  let opened = false;
  const open = () => {
    const source = opened ? new FileSource(0, begin) : openStdin();
    opened = true;
    return new SizedSource(source, bytes);
  };
  return { bytes, repeatable: true, open };
}

/** Where the next read of a file is. Known on Linux. */
function positionOf(descriptor: number): number | undefined {
  try {
    const info = readFileSync(`/proc/self/fdinfo/${String(descriptor)}`, "latin1");
    return Number(/^pos:\s+(\d+)$/m.exec(info)?.[1] ?? NaN) || 0;
  } catch (error) {
    if (codeOf(error) === "") throw error;
    return undefined;
  }
}

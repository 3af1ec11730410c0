import {
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
} from "node:fs";
import { readDescriptor } from "../../endpoints/socket-reads.ts";
import { openStdin, stdinIsNull } from "../../endpoints/stdin.ts";
import { codeOf, systemError, usageError } from "../../errors.ts";
import { BytesSource } from "../../flow/bytes-source.ts";
import type { Nature, Receiver, Source } from "../../flow/chunk.ts";
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
  if (data === "@") throw usageError("--data: expected the path of a file after @");
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
  const bytes = sizeOf(path);
  return {
    bytes: typeof bytes === "number" ? bytes : undefined,
    repeatable: bytes !== "pipe" && bytes !== "device",
    open: () => new FileBody(path, bytes),
  };
}

/**
 * How many bytes a file has: "unknown" where the system says none and there are some, as in /proc;
 * "pipe" and "device" for what is not looked into.
 */
type Size = number | "unknown" | "pipe" | "device";

function sizeOf(path: string): Size {
  try {
    const stats = statSync(path);
    if (stats.isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" });
    if (stats.isFIFO()) return "pipe";
    if (!stats.isFile()) return "device";
    const descriptor = openSync(path, "r");
    try {
      const hasMore = readSync(descriptor, Buffer.alloc(1)) > 0;
      return stats.size === 0 && hasMore ? "unknown" : stats.size;
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw cannotRead(path, error);
  }
}

const cannotRead = (path: string, error: unknown) => systemError(`cannot read ${path}`, error);

/** A file that is opened when it is read, and closed behind that. */
class FileBody implements Source {
  readonly nature: Nature;
  readonly #path: string;
  readonly #size: Size;
  #source: Source | undefined;
  #close: () => void = () => undefined;

  constructor(path: string, size: Size) {
    this.#path = path;
    this.#size = size;
    this.nature = size === "pipe" || size === "device" ? "stream" : "file";
  }

  get lent() {
    return this.#source?.lent ?? 0;
  }

  start(to: Receiver, failed: (error: unknown) => void, chunkBytes?: number): void {
    const fail = (error: unknown) => {
      this.stop();
      failed(cannotRead(this.#path, error));
    };
    try {
      this.#source = this.#open();
    } catch (error) {
      return fail(error);
    }
    const end = () => {
      this.stop();
      to.end();
    };
    this.#source.start({ write: (chunk) => to.write(chunk), end }, fail, chunkBytes);
  }

  stop(): void {
    this.#source?.stop();
    this.#close();
    this.#close = () => undefined;
  }

  #open(): Source {
    // One that has no writer yet would hold up more than us.
    if (this.#size === "pipe")
      return readDescriptor(openSync(this.#path, constants.O_RDONLY | constants.O_NONBLOCK));
    if (this.#size === "device") {
      const stream = createReadStream(this.#path);
      return new StreamSource(stream, "stream", () => stream.destroy());
    }
    const descriptor = openSync(this.#path, "r");
    this.#close = () => closeSync(descriptor);
    const source = new FileSource(descriptor);
    return this.#size === "unknown" ? source : new SizedSource(source, this.#size);
  }
}

function ofStdin(): Body {
  if (stdinIsNull()) return { bytes: 0, repeatable: true, open: () => noSource };
  const stats = fstatSync(0);
  const begin = stats.isFile() ? positionOf(0) : undefined;
  // Of files as in /proc the system tells no size.
  if (begin === undefined || stats.size === 0)
    return { bytes: undefined, repeatable: false, open: openStdin };
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

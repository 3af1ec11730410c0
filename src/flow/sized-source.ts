import { ExitCode, PortcatError } from "../errors.ts";
import type { Chunk, Receiver, Source } from "./chunk.ts";

/**
 * A source of which so many bytes have been announced. It ends with the last of them, whatever
 * comes behind; an earlier end is a failure.
 */
export class SizedSource implements Source {
  readonly #source: Source;
  readonly #bytes: number;

  constructor(source: Source, bytes: number) {
    this.#source = source;
    this.#bytes = bytes;
  }

  get nature() {
    return this.#source.nature;
  }

  get lent() {
    return this.#source.lent;
  }

  start(to: Receiver, failed: (error: unknown) => void, chunkBytes?: number): void {
    let left = this.#bytes;
    const over = () => {
      left = -1;
      this.#source.stop();
      to.end();
    };
    if (left === 0) return over();
    const write = (chunk: Chunk) => {
      if (left <= 0) return chunk.release();
      const bytes = chunk.bytes.subarray(0, left);
      left -= bytes.length;
      to.write({ bytes, release: () => chunk.release() });
      if (left === 0) over();
    };
    const end = () => {
      if (left > 0) failed(shrunk(this.#bytes - left, this.#bytes));
    };
    this.#source.start({ write, end }, failed, chunkBytes);
  }

  stop(): void {
    this.#source.stop();
  }
}

function shrunk(sent: number, announced: number): PortcatError {
  return new PortcatError(
    `the file became shorter while it was sent: ${String(sent)} of ${String(announced)} bytes (ESHORT)`,
    { exitCode: ExitCode.broken, code: "ESHORT" },
  );
}

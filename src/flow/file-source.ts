import { readSync } from "node:fs";
import type { Receiver, Source } from "./chunk.ts";

const defaultBytes = 4 << 20;
const bufferCount = 2;

/**
 * Reads a regular file, or a disk, to its end.
 *
 * Reads are synchronous: the data is there, and a trip through the thread pool costs more than the
 * read. The next one waits for a turn of the event loop, so that signals and the other direction
 * are served while a fast peer takes everything at once.
 */
export class FileSource implements Source {
  readonly nature = "file";
  lent = 0;
  readonly #descriptor: number;
  /** Where the next read is; null for wherever the descriptor is. */
  #position: number | null;
  readonly #free: Buffer[] = [];
  #to: Receiver | undefined;
  #failed: (error: unknown) => void = () => undefined;
  #scheduled = false;

  /** @param position - where to begin, which leaves the descriptor where it is */
  constructor(descriptor: number, position: number | null = null) {
    this.#descriptor = descriptor;
    this.#position = position;
  }

  start(to: Receiver, failed: (error: unknown) => void, chunkBytes = defaultBytes): void {
    this.#to = to;
    this.#failed = failed;
    for (let i = 0; i < bufferCount; i++) this.#free.push(Buffer.allocUnsafeSlow(chunkBytes));
    this.#schedule();
  }

  stop(): void {
    this.#to = undefined;
  }

  #schedule(): void {
    if (this.#scheduled || this.#to === undefined) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#readOnce();
    });
  }

  #readOnce(): void {
    const to = this.#to;
    const buffer = to && this.#free.pop();
    if (to === undefined || buffer === undefined) return;
    let count: number;
    try {
      count = readSync(this.#descriptor, buffer, 0, buffer.length, this.#position);
    } catch (error) {
      this.stop();
      this.#failed(error);
      return;
    }
    if (this.#position !== null) this.#position += count;
    if (count === 0) {
      this.stop();
      to.end();
      return;
    }
    this.lent++;
    to.write({
      bytes: buffer.subarray(0, count),
      release: () => {
        this.lent--;
        this.#free.push(buffer);
        this.#schedule();
      },
    });
    if (this.#free.length > 0) this.#schedule();
  }
}

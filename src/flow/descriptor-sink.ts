import type { Chunk, Sink } from "./chunk.ts";
import { tryWrite } from "./at-once.ts";

const longestRetryMs = 16;
/** How many chunks are written with one call; IOV_MAX is 1024 (writev(2)). */
const mostAtOnce = 512;
/** How many turns of the event loop a full pipe is looked at again before we wait for it. */
const mostTries = 3;
/** PIPE_BUF: as much is taken by a pipe in whole or not at all (pipe(7)), so what it has is known exactly. */
const wholeBytes = 4096;
const nothing = Buffer.alloc(0);

/** Writes bytes to the descriptor when it takes them, and then calls back. */
export type WriteLater = (bytes: Buffer, written: (error?: Error | null) => void) => void;

/**
 * Writes to a regular file, a device or a non-blocking pipe with synchronous writes: the chunk's
 * memory is free again as soon as `write` returns, and a full disk is known at the byte. What a full
 * pipe does not take is written later.
 */
export class DescriptorSink implements Sink {
  delivered = 0;
  readonly chunkBytes: number | undefined;
  readonly #descriptor: number;
  readonly #writeLater: WriteLater | undefined;
  readonly #waiting: Chunk[] = [];
  #written = 0;
  #blocked = false;
  #tries = 0;
  #ending = false;
  #over = false;
  #finished: () => void = () => undefined;
  #failed: (error: unknown) => void = () => undefined;

  /**
   * @param chunkBytes - how many bytes at a time it takes best, where that matters
   * @param writeLater - how to write to a descriptor that is full; without it, by trying again
   */
  constructor(descriptor: number, chunkBytes?: number, writeLater?: WriteLater) {
    this.#descriptor = descriptor;
    this.chunkBytes = chunkBytes;
    this.#writeLater = writeLater;
  }

  get taken(): number {
    return this.delivered;
  }

  open(finished: () => void, failed: (error: unknown) => void): void {
    this.#finished = finished;
    this.#failed = failed;
  }

  write(chunk: Chunk): void {
    if (this.#over) {
      chunk.release();
      return;
    }
    this.#waiting.push(chunk);
    if (!this.#blocked) this.#writeAll();
  }

  /** Writes several chunks at once. */
  writeMany(chunks: readonly Chunk[]): void {
    if (this.#over) for (const chunk of chunks) chunk.release();
    else this.#waiting.push(...chunks);
    if (!this.#blocked) this.#writeAll();
  }

  end(): void {
    this.#ending = true;
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    if (!this.#ending || this.#over || this.#waiting.length > 0) return;
    this.#over = true;
    this.#finished();
  }

  #writeAll(): void {
    while (this.#waiting.length > 0) {
      const next = this.#next();
      let count: number | undefined;
      try {
        count = tryWrite(this.#descriptor, next);
      } catch (error) {
        this.#fail(error);
        return;
      }
      if (count === undefined) return this.#wait();
      this.#took(count);
      // Who was given a chunk's memory back may have written, and met a full pipe or an error.
      if (this.#blocked || this.#over) return;
      // A pipe that took a part is full: asking again at once would be in vain.
      if (this.#written > 0 && this.#writeLater !== undefined) return this.#wait();
    }
    this.#finishIfDone();
  }

  /** What is to be written next: the rest of a chunk, or several chunks at once. */
  #next(): Buffer | Buffer[] {
    const first = (this.#waiting[0]?.bytes ?? nothing).subarray(this.#written);
    if (this.#waiting.length === 1) return first;
    return [first, ...this.#waiting.slice(1, mostAtOnce).map(({ bytes }) => bytes)];
  }

  /** Goes on where we were once there is room. */
  #wait(): void {
    this.#blocked = true;
    const goOn = () => {
      this.#blocked = false;
      if (!this.#over) this.#writeAll();
    };
    const tries = this.#tries++;
    // A terminal, or a descriptor that another process made non-blocking.
    if (this.#writeLater === undefined)
      return void setTimeout(goOn, Math.min(2 ** tries, longestRetryMs));
    // A reader that is at work needs less time than it takes to be told of room.
    if (tries < mostTries) return void setImmediate(goOn);
    const rest = (this.#waiting[0]?.bytes ?? nothing).subarray(this.#written);
    const next = rest.subarray(0, wholeBytes);
    this.#writeLater(next, (error) => {
      if (this.#over) return;
      if (error) return this.#fail(error);
      this.#took(next.length);
      goOn();
    });
  }

  /** Counts what the system has taken, and lets go of the chunks that it has taken whole. */
  #took(count: number): void {
    this.#tries = 0;
    this.delivered += count;
    let taken = this.#written + count;
    let whole = 0;
    for (const { bytes } of this.#waiting) {
      if (taken < bytes.length) break;
      taken -= bytes.length;
      whole++;
    }
    this.#written = taken;
    for (const chunk of this.#waiting.splice(0, whole)) chunk.release();
  }

  #fail(error: unknown): void {
    this.#over = true;
    this.#failed(error);
    for (const chunk of this.#waiting.splice(0)) chunk.release();
  }
}

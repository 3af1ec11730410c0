import { writeSync, writevSync } from "node:fs";
import { codeOf } from "../errors.ts";
import type { Chunk, Sink } from "./chunk.ts";

const retryMs = 5;
/** How many chunks are written with one call; IOV_MAX is 1024 (writev(2)). */
const mostAtOnce = 512;
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
      let full: boolean;
      try {
        full = this.#waiting.length === 1 ? this.#writeOne() : this.#writeSeveral();
      } catch (error) {
        if (codeOf(error) === "EAGAIN") this.#wait();
        else this.#fail(error);
        return;
      }
      // A pipe that took a part is full: asking again would only throw.
      if (full && this.#writeLater !== undefined) return this.#wait();
    }
    this.#finishIfDone();
  }

  /** Whether the system took less than there was. */
  #writeOne(): boolean {
    const { bytes } = this.#waiting[0] ?? { bytes: nothing };
    const left = bytes.length - this.#written;
    const count = writeSync(this.#descriptor, bytes, this.#written, left);
    this.#took(count);
    return count < left;
  }

  #writeSeveral(): boolean {
    const batch = this.#waiting.slice(0, mostAtOnce).map(({ bytes }) => bytes);
    if (this.#written > 0) batch[0] = (batch[0] ?? nothing).subarray(this.#written);
    const left = batch.reduce((sum, { length }) => sum + length, 0);
    const count = writevSync(this.#descriptor, batch);
    this.#took(count);
    return count < left;
  }

  /** Goes on where we were once there is room. */
  #wait(): void {
    this.#blocked = true;
    const goOn = () => {
      this.#blocked = false;
      if (!this.#over) this.#writeAll();
    };
    // A descriptor that another process made non-blocking.
    if (this.#writeLater === undefined) return void setTimeout(goOn, retryMs);
    const rest = (this.#waiting[0]?.bytes ?? nothing).subarray(this.#written);
    this.#writeLater(rest, (error) => {
      if (this.#over) return;
      if (error) return this.#fail(error);
      this.#took(rest.length);
      goOn();
    });
  }

  /** Counts what the system has taken, and lets go of the chunks that it has taken whole. */
  #took(count: number): void {
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

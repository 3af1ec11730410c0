import { writeSync } from "node:fs";
import { codeOf } from "../errors.ts";
import type { Chunk, Sink } from "./chunk.ts";

const retryMs = 5;

/** Writes bytes to the descriptor when it takes them, and then calls back. */
export type WriteLater = (bytes: Buffer, written: (error?: Error | null) => void) => void;

/**
 * Writes to a regular file, a device or a non-blocking pipe with synchronous writes: the chunk's
 * memory is free again as soon as `write` returns, and a full disk is known at the byte. What a full
 * pipe does not take is written later.
 */
export class DescriptorSink implements Sink {
  delivered = 0;
  readonly #descriptor: number;
  readonly #writeLater: WriteLater | undefined;
  readonly #waiting: Chunk[] = [];
  #written = 0;
  #blocked = false;
  #ending = false;
  #over = false;
  #finished: () => void = () => undefined;
  #failed: (error: unknown) => void = () => undefined;

  /** @param writeLater - how to write to a descriptor that is full; without it, by trying again */
  constructor(descriptor: number, writeLater?: WriteLater) {
    this.#descriptor = descriptor;
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
    for (let chunk = this.#waiting[0]; chunk !== undefined; chunk = this.#waiting[0]) {
      const { bytes } = chunk;
      try {
        while (this.#written < bytes.length) {
          const left = bytes.length - this.#written;
          const count = writeSync(this.#descriptor, bytes, this.#written, left);
          this.#written += count;
          this.delivered += count;
          // A pipe that took a part is full: asking again would only throw.
          if (count < left && this.#writeLater !== undefined) return this.#wait(bytes);
        }
      } catch (error) {
        if (codeOf(error) === "EAGAIN") this.#wait(bytes);
        else this.#fail(error);
        return;
      }
      this.#chunkDone(chunk);
    }
    this.#finishIfDone();
  }

  /** Goes on where we were once there is room. */
  #wait(bytes: Buffer): void {
    this.#blocked = true;
    const goOn = () => {
      this.#blocked = false;
      if (!this.#over) this.#writeAll();
    };
    // A descriptor that another process made non-blocking.
    if (this.#writeLater === undefined) return void setTimeout(goOn, retryMs);
    const rest = bytes.subarray(this.#written);
    this.#writeLater(rest, (error) => {
      if (this.#over) return;
      if (error) return this.#fail(error);
      this.#written += rest.length;
      this.delivered += rest.length;
      goOn();
    });
  }

  #chunkDone(chunk: Chunk): void {
    this.#written = 0;
    this.#waiting.shift();
    chunk.release();
  }

  #fail(error: unknown): void {
    this.#over = true;
    this.#failed(error);
    for (const chunk of this.#waiting.splice(0)) chunk.release();
  }
}

import { writeSync } from "node:fs";
import { codeOf } from "../errors.ts";
import type { Chunk, Sink } from "./chunk.ts";

const retryMs = 5;

/**
 * Writes to a regular file or a device with synchronous writes: the chunk's memory is free again as
 * soon as `write` returns, and a full disk is known at the byte.
 */
export class DescriptorSink implements Sink {
  delivered = 0;
  readonly #descriptor: number;
  readonly #waiting: Chunk[] = [];
  #written = 0;
  #retry: NodeJS.Timeout | undefined;
  #ending = false;
  #over = false;
  #finished: () => void = () => undefined;
  #failed: (error: unknown) => void = () => undefined;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
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
    if (this.#retry === undefined) this.#writeAll();
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
    this.#retry = undefined;
    for (let chunk = this.#waiting[0]; chunk !== undefined; chunk = this.#waiting[0]) {
      try {
        while (this.#written < chunk.bytes.length) {
          const count = writeSync(
            this.#descriptor,
            chunk.bytes,
            this.#written,
            chunk.bytes.length - this.#written,
          );
          this.#written += count;
          this.delivered += count;
        }
      } catch (error) {
        // A descriptor that another process made non-blocking: wait and go on where we were.
        if (codeOf(error) === "EAGAIN") this.#retry = setTimeout(() => this.#writeAll(), retryMs);
        else this.#fail(error);
        return;
      }
      this.#written = 0;
      this.#waiting.shift();
      chunk.release();
    }
    this.#finishIfDone();
  }

  #fail(error: unknown): void {
    this.#over = true;
    this.#failed(error);
    for (const chunk of this.#waiting.splice(0)) chunk.release();
  }
}

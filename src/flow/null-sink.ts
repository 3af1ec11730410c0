import { writeSync } from "node:fs";
import type { Chunk, Sink } from "./chunk.ts";

/** Counts and forgets: what writes to the null device do, without the calls. */
export class NullSink implements Sink {
  delivered = 0;
  readonly #descriptor: number;
  #over = false;
  #finished: () => void = () => undefined;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  get taken(): number {
    return this.delivered;
  }

  /** One that is open for reading only is an error, as with any write. */
  open(finished: () => void, failed: (error: unknown) => void): void {
    this.#finished = finished;
    try {
      writeSync(this.#descriptor, "");
    } catch (error) {
      this.#over = true;
      failed(error);
    }
  }

  write(chunk: Chunk): void {
    if (!this.#over) this.delivered += chunk.bytes.length;
    chunk.release();
  }

  end(): void {
    if (!this.#over) this.#finished();
  }
}

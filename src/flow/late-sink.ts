import type { Chunk, Sink } from "./chunk.ts";

/** A sink that is opened at its first chunk; an end without one leaves it as it was. */
export class LateSink implements Sink {
  readonly #sink: Sink;
  #opened = false;
  #finished: () => void = () => undefined;
  #failed: (error: unknown) => void = () => undefined;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  get delivered(): number {
    return this.#sink.delivered;
  }

  get taken(): number {
    return this.#sink.taken;
  }

  get chunkBytes(): number | undefined {
    return this.#sink.chunkBytes;
  }

  open(finished: () => void, failed: (error: unknown) => void): void {
    this.#finished = finished;
    this.#failed = failed;
  }

  write(chunk: Chunk): void {
    if (!this.#opened) {
      this.#opened = true;
      this.#sink.open(this.#finished, this.#failed);
    }
    this.#sink.write(chunk);
  }

  end(): void {
    if (this.#opened) this.#sink.end();
    else this.#finished();
  }
}

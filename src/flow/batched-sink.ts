import type { Chunk, Sink } from "./chunk.ts";
import type { DescriptorSink } from "./descriptor-sink.ts";

/** How many chunks wait at most. */
const mostWaiting = 512;

/**
 * Collects the small chunks that arrive in one turn of the event loop, and writes them with one
 * call: a flood of datagrams would otherwise cost a system call each.
 */
export class BatchedSink implements Sink {
  readonly #sink: DescriptorSink;
  #waiting: Chunk[] = [];
  #scheduled = false;

  constructor(sink: DescriptorSink) {
    this.#sink = sink;
  }

  get delivered(): number {
    return this.#sink.delivered;
  }

  get taken(): number {
    return this.#sink.taken;
  }

  open(finished: () => void, failed: (error: unknown) => void): void {
    this.#sink.open(finished, failed);
  }

  write(chunk: Chunk): void {
    this.#waiting.push(chunk);
    if (this.#waiting.length >= mostWaiting) this.#flush();
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  end(): void {
    this.#flush();
    this.#sink.end();
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#sink.writeMany(waiting);
  }
}

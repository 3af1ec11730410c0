import type { Chunk, Sink } from "./chunk.ts";

/**
 * Lets several connections write to one sink: each gets a sink of its own, whose end only waits for
 * what it wrote itself. A failure of the one sink is a failure of each.
 */
export class SharedSink {
  readonly #sink: Sink;
  readonly #members = new Set<(error: unknown) => void>();
  #error: unknown;

  constructor(sink: Sink) {
    this.#sink = sink;
    sink.open(
      () => undefined,
      (error) => {
        this.#error = error;
        for (const failed of [...this.#members]) failed(error);
      },
    );
  }

  /** A sink for one connection. */
  member(): Sink {
    return new Member(
      this.#sink,
      (failed) => {
        if (this.#error !== undefined) failed(this.#error);
        else this.#members.add(failed);
      },
      (failed) => this.#members.delete(failed),
    );
  }
}

class Member implements Sink {
  delivered = 0;
  #pending = 0;
  #ending = false;
  #over = false;
  #finished: () => void = () => undefined;
  #failed: (error: unknown) => void = () => undefined;
  readonly #sink: Sink;
  readonly #join: (failed: (error: unknown) => void) => void;
  readonly #leave: (failed: (error: unknown) => void) => void;

  constructor(
    sink: Sink,
    join: (failed: (error: unknown) => void) => void,
    leave: (failed: (error: unknown) => void) => void,
  ) {
    this.#sink = sink;
    this.#join = join;
    this.#leave = leave;
  }

  get taken(): number {
    return this.delivered;
  }

  get chunkBytes(): number | undefined {
    return this.#sink.chunkBytes;
  }

  open(finished: () => void, failed: (error: unknown) => void): void {
    this.#finished = finished;
    this.#failed = failed;
    this.#join(this.#fail);
  }

  write(chunk: Chunk): void {
    this.#pending++;
    this.#sink.write({
      ...chunk,
      release: () => {
        this.#pending--;
        if (!this.#over) this.delivered += chunk.bytes.length;
        chunk.release();
        this.#finishIfDone();
      },
    });
  }

  end(): void {
    this.#ending = true;
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    if (!this.#ending || this.#over || this.#pending > 0) return;
    this.#over = true;
    this.#leave(this.#fail);
    this.#finished();
  }

  readonly #fail = (error: unknown): void => {
    this.#over = true;
    this.#leave(this.#fail);
    this.#failed(error);
  };
}

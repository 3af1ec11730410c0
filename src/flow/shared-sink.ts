import type { Chunk, Sink } from "./chunk.ts";

/**
 * Lets several connections write to one sink: each gets a sink of its own, whose end only waits for
 * what it wrote itself. A failure of the one sink is a failure of each.
 */
export class SharedSink {
  readonly #sink: Sink;
  readonly #members = new Set<(error: unknown) => void>();
  readonly #turns: Turns = { waiting: [], over: 0 };
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
      this.#turns,
      (failed) => {
        if (this.#error !== undefined) failed(this.#error);
        else this.#members.add(failed);
      },
      (failed) => this.#members.delete(failed),
    );
  }
}

/** Whose chunks the one sink still has to take, in order, and the bytes of those that it has let go of. */
interface Turns {
  readonly waiting: Member[];
  over: number;
}

class Member implements Sink {
  #delivered = 0;
  #pending = 0;
  #ending = false;
  #over = false;
  #finished: () => void = () => undefined;
  #failed: (error: unknown) => void = () => undefined;
  readonly #sink: Sink;
  readonly #turns: Turns;
  readonly #join: (failed: (error: unknown) => void) => void;
  readonly #leave: (failed: (error: unknown) => void) => void;

  constructor(
    sink: Sink,
    turns: Turns,
    join: (failed: (error: unknown) => void) => void,
    leave: (failed: (error: unknown) => void) => void,
  ) {
    this.#sink = sink;
    this.#turns = turns;
    this.#join = join;
    this.#leave = leave;
  }

  /** Of the chunk that the one sink is at, if it is ours, the part that it has taken. */
  get delivered(): number {
    const { waiting, over } = this.#turns;
    const atOurs = !this.#over && waiting[0] === this;
    return this.#delivered + (atOurs ? this.#sink.delivered - over : 0);
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
    this.#turns.waiting.push(this);
    this.#sink.write({
      ...chunk,
      release: () => {
        this.#pending--;
        this.#turns.waiting.shift();
        this.#turns.over += chunk.bytes.length;
        if (!this.#over) this.#delivered += chunk.bytes.length;
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
    this.#delivered = this.delivered;
    this.#over = true;
    this.#leave(this.#fail);
    this.#failed(error);
  };
}

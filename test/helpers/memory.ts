import type { Chunk, Endpoint, Nature, Receiver, Sink, Source } from "../../src/flow/chunk.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Lets everything that is due in the next turns of the event loop happen. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

/** Cuts bytes into pieces of these lengths; what is left after the last is one more piece. */
export function cutAt(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let at = 0;
  for (const length of lengths) {
    if (at >= bytes.length) break;
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  if (at < bytes.length) pieces.push(bytes.subarray(at));
  return pieces;
}

export interface MemorySourceOptions {
  nature?: Nature;
  /** Chunks that may be out at a time. */
  mostLent?: number;
  /**
   * "eager" hands out the next chunk within `release`, as soon as it may; "later" in a turn of the
   * event loop of its own. Both begin in the turn after `start`.
   */
  pace?: "eager" | "later";
  /** Fails in the place of the piece with this index (or of the end). */
  failAt?: number | undefined;
  error?: Error;
  /** Awaited before the end is told. */
  beforeEnd?: Promise<unknown>;
}

/**
 * A source of pieces in memory. A piece that is released is overwritten, so that whoever uses it
 * longer than it may is found out.
 */
export class MemorySource implements Source {
  readonly nature: Nature;
  /** How often each chunk that was handed out has been released. */
  readonly releases: number[] = [];
  starts = 0;
  stopped = false;
  /** The most chunks that were out at once. */
  mostOut = 0;
  failed = false;
  readonly #pieces: readonly Buffer[];
  readonly #options: MemorySourceOptions;
  #out = 0;
  #next = 0;
  #over = false;
  #scheduled = false;
  #to: Receiver | undefined;
  #fail: (error: unknown) => void = () => undefined;

  constructor(pieces: readonly Uint8Array[], options: MemorySourceOptions = {}) {
    this.#pieces = pieces.map((piece) => Buffer.from(piece));
    this.#options = options;
    this.nature = options.nature ?? "stream";
  }

  get lent(): number {
    return this.#out;
  }

  /** The bytes of all chunks that were handed out so far. */
  handedOut(): Buffer {
    return Buffer.concat(this.#pieces.slice(0, this.releases.length));
  }

  /** Every chunk that was handed out has been released exactly once. */
  allReleasedOnce(): boolean {
    return this.releases.every((count) => count === 1);
  }

  start(to: Receiver, failed: (error: unknown) => void): void {
    this.starts++;
    this.#to = to;
    this.#fail = failed;
    this.#schedule();
  }

  stop(): void {
    this.stopped = true;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#handOut();
    });
  }

  #handOut(): void {
    const eager = this.#options.pace === "eager";
    do {
      if (!this.#handOutOne()) return;
    } while (eager);
    this.#schedule();
  }

  #handOutOne(): boolean {
    const { mostLent = 2, failAt, error = new Error("the source broke") } = this.#options;
    if (this.stopped || this.#over || this.#out >= mostLent) return false;
    if (failAt !== undefined && failAt <= this.#next) {
      this.#over = true;
      this.failed = true;
      this.#fail(error);
      return false;
    }
    const piece = this.#pieces[this.#next];
    if (piece === undefined) {
      this.#over = true;
      this.#end();
      return false;
    }
    this.#next++;
    this.#to?.write(this.#lend(piece));
    return true;
  }

  #lend(piece: Buffer): Chunk {
    const bytes = Buffer.from(piece);
    const index = this.releases.push(0) - 1;
    this.#out++;
    this.mostOut = Math.max(this.mostOut, this.#out);
    return {
      bytes,
      release: () => {
        this.releases[index] = (this.releases[index] ?? 0) + 1;
        this.#out--;
        bytes.fill(0xee);
        if (this.#options.pace === "eager") this.#handOut();
        else this.#schedule();
      },
    };
  }

  #end(): void {
    const end = () => {
      if (!this.stopped) this.#to?.end();
    };
    if (this.#options.beforeEnd === undefined) end();
    else void this.#options.beforeEnd.then(end);
  }
}

export interface MemorySinkOptions {
  /** "now" takes a chunk within `write`; "later" in a turn of the event loop of its own. */
  pace?: "now" | "later";
  /** Fails in the place of the chunk with this index (or of the end). */
  failAt?: number | undefined;
  error?: Error;
}

/** A sink that keeps what it takes. Chunks are taken in order. */
export class MemorySink implements Sink {
  delivered = 0;
  opens = 0;
  failed = false;
  /** Resolves when the end has been written to it, even if it fails then. */
  readonly ended: Promise<void>;
  readonly #options: MemorySinkOptions;
  readonly #taken: Buffer[] = [];
  readonly #waiting: Chunk[] = [];
  #count = 0;
  #endSeen: () => void = () => undefined;
  #ending = false;
  #over = false;
  #scheduled = false;
  #finished: () => void = () => undefined;
  #fail: (error: unknown) => void = () => undefined;

  constructor(options: MemorySinkOptions = {}) {
    this.#options = options;
    this.ended = new Promise((resolve) => (this.#endSeen = resolve));
  }

  get taken(): number {
    return this.delivered;
  }

  received(): Buffer {
    return Buffer.concat(this.#taken);
  }

  open(finished: () => void, failed: (error: unknown) => void): void {
    this.opens++;
    this.#finished = finished;
    this.#fail = failed;
  }

  write(chunk: Chunk): void {
    if (this.#over) return chunk.release();
    this.#waiting.push(chunk);
    this.#goOn();
  }

  end(): void {
    this.#endSeen();
    this.#ending = true;
    this.#goOn();
  }

  /** Lets go of what waits, as a socket that is destroyed does. */
  close(): void {
    this.#over = true;
    for (const chunk of this.#waiting.splice(0)) chunk.release();
  }

  #goOn(): void {
    if (this.#options.pace === "now") this.#takeAll();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#takeOne();
        if (this.#waiting.length > 0 || (this.#ending && !this.#over)) this.#goOn();
      });
    }
  }

  #takeAll(): void {
    while (this.#waiting.length > 0) this.#takeOne();
    if (this.#ending) this.#takeOne();
  }

  #takeOne(): void {
    if (this.#over) return;
    const { failAt, error = new Error("the sink broke") } = this.#options;
    if (failAt !== undefined && failAt <= this.#count) {
      this.failed = true;
      this.#over = true;
      this.#fail(error);
      return this.close();
    }
    const chunk = this.#waiting.shift();
    if (chunk !== undefined) {
      this.#count++;
      this.#taken.push(Buffer.from(chunk.bytes));
      this.delivered += chunk.bytes.length;
      chunk.release();
    } else if (this.#ending) {
      this.#over = true;
      this.#finished();
    }
  }
}

/** A far side in memory, and how often it was closed. */
export function memoryPeer(
  source: MemorySource,
  sink: MemorySink,
): Endpoint & { readonly closes: number } {
  let closes = 0;
  return {
    name: "memory",
    source,
    sink,
    get closes() {
      return closes;
    },
    close() {
      closes++;
      source.stop();
      sink.close();
    },
  };
}

export interface Collected {
  /** The bytes of each chunk, as they were when it came. */
  readonly frames: Buffer[];
  readonly bytes: () => Buffer;
  ends: number;
  readonly failures: unknown[];
}

/**
 * Starts a source and keeps what it hands out, releasing each chunk after `holdTurns` turns of the
 * event loop (0: at once). Resolves at its end or failure, when all is released.
 */
export function collect(source: Source, holdTurns = 0): Promise<Collected> {
  const collected: Collected = {
    frames: [],
    bytes: () => Buffer.concat(collected.frames),
    ends: 0,
    failures: [],
  };
  return new Promise((resolve) => {
    let held = 0;
    const done = () => {
      if (held === 0 && collected.ends + collected.failures.length > 0) resolve(collected);
    };
    source.start(
      {
        write(chunk) {
          held++;
          const take = () => {
            chunk.release();
            held--;
            done();
          };
          collected.frames.push(Buffer.from(chunk.bytes));
          if (holdTurns === 0) take();
          else void turns(holdTurns).then(take);
        },
        end() {
          collected.ends++;
          done();
        },
      },
      (error) => {
        collected.failures.push(error);
        done();
      },
    );
  });
}

/** A source that is sent through a stage, as a source. */
export function staged(source: Source, stage: (next: Receiver) => Receiver): Source {
  return {
    nature: source.nature,
    get lent() {
      return source.lent;
    },
    start: (to, failed) => source.start(stage(to), failed),
    stop: () => source.stop(),
  };
}

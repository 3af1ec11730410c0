import type { Writable } from "node:stream";
import type { Chunk, Sink } from "./chunk.ts";
import { prematureClose } from "./stream-source.ts";

/** A sink of any `stream.Writable`: the plain path, which every kind of endpoint can use. */
export class StreamSink implements Sink {
  delivered = 0;
  readonly #writable: Writable;
  readonly #atEnd: "end" | "flush";
  #finished: () => void = () => undefined;
  #failed: (error: unknown) => void = () => undefined;
  /** Nothing more is written: the end has been passed on, or something has failed. */
  protected over = false;

  /** @param atEnd - whether our end ends the stream (a socket), or only waits until all is written (stdout) */
  constructor(writable: Writable, atEnd: "end" | "flush" = "end") {
    this.#writable = writable;
    this.#atEnd = atEnd;
  }

  get taken(): number {
    return this.delivered;
  }

  open(finished: () => void, failed: (error: unknown) => void): void {
    this.#finished = finished;
    this.#failed = failed;
    this.#writable.on("error", this.fail);
    this.#writable.on("close", () => this.fail(prematureClose()));
  }

  write(chunk: Chunk): void {
    if (this.over) {
      chunk.release();
      return;
    }
    this.#writable.write(chunk.bytes, (error) => {
      if (error) this.fail(error);
      else this.delivered += chunk.bytes.length;
      chunk.release();
    });
  }

  end(): void {
    if (this.over) return;
    const done = (error?: Error | null) => {
      if (error) this.fail(error);
      else if (!this.over) {
        this.over = true;
        this.#finished();
      }
    };
    if (this.#atEnd === "end") this.#writable.end(done);
    else this.#writable.write("", done);
  }

  /** From now on chunks are released without being written. */
  protected readonly fail = (error: unknown): void => {
    if (this.over) return;
    this.over = true;
    this.#failed(error);
  };
}

import type { ClientRequest } from "node:http";
import type { Chunk, Sink } from "../flow/chunk.ts";

/** What is written at a time: how much of a slow server's body has gone is known in such steps. */
const pieceBytes = 64 * 1024;

/** The body of a request. */
export class RequestSink implements Sink {
  delivered = 0;
  /** Something of the body, or its end, has been written. */
  begun = false;
  over = false;
  readonly #outgoing: ClientRequest;
  readonly #waiting: Chunk[] = [];
  /** How much of the first chunk has been written. */
  #at = 0;
  #busy = false;
  #ending = false;
  #finished: () => void = () => undefined;
  #failed: (error: unknown) => void = () => undefined;

  constructor(outgoing: ClientRequest) {
    this.#outgoing = outgoing;
  }

  get taken(): number {
    return this.delivered;
  }

  open(finished: () => void, failed: (error: unknown) => void): void {
    this.#finished = finished;
    this.#failed = failed;
  }

  write(chunk: Chunk): void {
    if (this.over) return chunk.release();
    this.#waiting.push(chunk);
    if (!this.#busy) this.#writeOn();
  }

  end(): void {
    this.#ending = true;
    if (!this.#busy) this.#writeOn();
  }

  /** From now on chunks are released without being written. */
  fail(error: unknown): void {
    if (this.over) return;
    this.over = true;
    this.#failed(error);
    for (const chunk of this.#waiting.splice(0)) chunk.release();
  }

  #writeOn(): void {
    if (this.over) return;
    const chunk = this.#waiting[0];
    if (chunk === undefined) {
      if (this.#ending) this.#end();
      return;
    }
    this.begun = true;
    this.#busy = true;
    const bytes = chunk.bytes.subarray(this.#at, this.#at + pieceBytes);
    this.#outgoing.write(bytes, (error) => {
      if (error) return this.fail(error);
      if (this.over) return;
      this.#busy = false;
      this.delivered += bytes.length;
      this.#at += bytes.length;
      if (this.#at >= chunk.bytes.length) {
        this.#at = 0;
        this.#waiting.shift();
        chunk.release();
      }
      if (!this.#busy) this.#writeOn();
    });
  }

  #end(): void {
    this.begun = true;
    this.#busy = true;
    this.#outgoing.end((error?: Error | null) => {
      if (error) return this.fail(error);
      if (this.over) return;
      this.over = true;
      this.#finished();
    });
  }
}

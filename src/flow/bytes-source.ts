import type { Receiver, Source } from "./chunk.ts";

/** A source of bytes that are there: one chunk, also when it is empty, and the end. */
export class BytesSource implements Source {
  readonly nature = "file";
  lent = 0;
  readonly #bytes: Buffer;
  #stopped = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  start(to: Receiver): void {
    this.lent = 1;
    to.write({ bytes: this.#bytes, release: () => (this.lent = 0) });
    if (!this.#stopped) to.end();
  }

  stop(): void {
    this.#stopped = true;
  }
}

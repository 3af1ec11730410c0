import type { Receiver, Source } from "./chunk.ts";

/** A source that is not read before `begin` is called. */
export class DeferredSource implements Source {
  readonly #source: Source;
  #start: (() => void) | undefined;
  #begun = false;

  constructor(source: Source) {
    this.#source = source;
  }

  get nature() {
    return this.#source.nature;
  }

  get lent() {
    return this.#source.lent;
  }

  begin(): void {
    this.#begun = true;
    this.#start?.();
    this.#start = undefined;
  }

  start(to: Receiver, failed: (error: unknown) => void): void {
    this.#start = () => this.#source.start(to, failed);
    if (this.#begun) this.begin();
  }

  leave(): void {
    this.#start = undefined;
    if (this.#source.leave) this.#source.leave();
    else this.#source.stop();
  }

  stop(): void {
    this.#start = undefined;
    this.#source.stop();
  }
}

import type { Readable } from "node:stream";
import type { Nature, Receiver, Source } from "./chunk.ts";

/** How many chunks of Node's (64 KiB each at most) may be out at a time. */
const mostLent = 4;

/** A source of any `stream.Readable`: the plain path, which every kind of endpoint can use. */
export class StreamSource implements Source {
  readonly nature: Nature;
  lent = 0;
  readonly #readable: Readable;
  readonly #release: () => void;
  #stopped = false;

  /** @param release - called by `stop`, to let go of what is read from */
  constructor(readable: Readable, nature: Nature, release: () => void = () => undefined) {
    this.#readable = readable;
    this.nature = nature;
    this.#release = release;
  }

  start(to: Receiver, failed: (error: unknown) => void): void {
    const readable = this.#readable;
    let over = false;
    const once = (then: () => void) => () => {
      if (over || this.#stopped) return;
      over = true;
      then();
    };
    readable.on(
      "end",
      once(() => to.end()),
    );
    readable.on("error", (error) => once(() => failed(error))());
    readable.on(
      "close",
      once(() => failed(prematureClose())),
    );
    readable.on("data", (bytes: Buffer) => {
      if (this.#stopped) return;
      this.lent++;
      to.write({
        bytes,
        release: () => {
          this.lent--;
          if (!this.#stopped && readable.isPaused()) readable.resume();
        },
      });
      if (this.lent >= mostLent) readable.pause();
    });
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#readable.pause();
    this.#release();
  }
}

/** A stream that closes without an end has lost its peer. */
export function prematureClose(): Error {
  return Object.assign(new Error("closed before its end"), { code: "ECONNRESET" });
}

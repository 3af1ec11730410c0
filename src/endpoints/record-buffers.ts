import type { ReadBuffers } from "./read-buffers.ts";
import type { OnRead } from "./socket-handle.ts";

/** A buffer that is filled piece by piece, and how many of its pieces are out. */
interface Slab {
  readonly bytes: Buffer;
  lent: number;
}

/**
 * Takes bytes, and a function to call when their memory is free again.
 *
 * @returns whether there may be more at once
 */
export type HandOut = (bytes: Buffer, release: () => void) => boolean;

/**
 * Where the records of TLS are decrypted to, 16 KiB each at most (RFC 8446, section 5.1): one behind
 * the other into buffers that are used again, to be handed out together. What comes in one turn of
 * the event loop is not kept for longer.
 */
export class RecordBuffers {
  readonly #buffers: ReadBuffers;
  readonly #handOut: HandOut;
  readonly #pause: () => void;
  #slab: Slab;
  /** How much of it has been handed out, and how much there is. */
  #from = 0;
  #to = 0;
  #scheduled = false;

  /** @param pause - called when what was handed out at the end of a turn is enough for now */
  constructor(buffers: ReadBuffers, handOut: HandOut, pause: () => void) {
    this.#buffers = buffers;
    this.#handOut = handOut;
    this.#pause = pause;
    this.#slab = { bytes: buffers.take(), lent: 0 };
  }

  readonly onread: OnRead = {
    buffer: () => {
      const { bytes, lent } = this.#slab;
      if (this.#to === bytes.length) {
        if (lent > 0) this.#slab = { bytes: this.#buffers.take(), lent: 0 };
        this.#from = this.#to = 0;
      }
      return this.#slab.bytes.subarray(this.#to);
    },
    callback: (count) => {
      this.#to += count;
      if (this.#to === this.#slab.bytes.length) return this.flush();
      if (!this.#scheduled) this.#schedule();
      return true;
    },
  };

  #schedule(): void {
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.flush()) this.#pause();
    });
  }

  /** Hands out what there is. Whether there may be more at once. */
  flush(): boolean {
    const slab = this.#slab;
    const bytes = slab.bytes.subarray(this.#from, this.#to);
    if (bytes.length === 0) return true;
    this.#from = this.#to;
    slab.lent++;
    return this.#handOut(bytes, () => {
      slab.lent--;
      if (slab.lent === 0 && slab !== this.#slab) this.#buffers.give(slab.bytes);
    });
  }
}

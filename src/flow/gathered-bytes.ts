const nothing = Buffer.alloc(0);

/** Bytes gathered in one piece of memory: of a peer that sends a byte at a time, each would cost hundreds. */
export class GatheredBytes {
  length = 0;
  #memory = nothing;

  add(bytes: Buffer): void {
    const length = this.length + bytes.length;
    if (length > this.#memory.length) {
      const larger = Buffer.allocUnsafe(Math.max(length, 2 * this.#memory.length));
      this.#memory.copy(larger, 0, 0, this.length);
      this.#memory = larger;
    }
    bytes.copy(this.#memory, this.length);
    this.length = length;
  }

  /** All of them; from now on there are none. */
  take(): Buffer {
    const bytes = this.#memory.subarray(0, this.length);
    this.#memory = nothing;
    this.length = 0;
    return bytes;
  }
}

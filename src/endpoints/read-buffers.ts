/** How much is read at a time where nobody knows better. */
const defaultBytes = 64 * 1024;
/** How many are kept; a crowd that was busy at once need not be so again. */
const mostFree = 16;

/** The buffers that sockets are read into, used again and again; connections may share them. */
export class ReadBuffers {
  readonly #free: Buffer[] = [];
  #bytes = defaultBytes;

  /** From the next one on, buffers have this many bytes. */
  resize(bytes: number): void {
    if (bytes !== this.#bytes) this.#free.length = 0;
    this.#bytes = bytes;
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#bytes);
  }

  /** Takes back a buffer that is not read into any more; of another size, or one too many, it is forgotten. */
  give(buffer: Buffer): void {
    if (buffer.length === this.#bytes && this.#free.length < mostFree) this.#free.push(buffer);
  }
}

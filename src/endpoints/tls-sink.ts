import { tryWrite } from "../flow/at-once.ts";
import type { Chunk } from "../flow/chunk.ts";
import { descriptorOf } from "./socket-handle.ts";
import { SocketSink } from "./socket-sink.ts";

/** What is encrypted and written at a time: how much the peer has taken is known in such steps. */
const pieceBytes = 64 * 1024;

/** The writing side of a TLS connection. Counts payload, not what TLS makes of it. */
export class TlsSink extends SocketSink {
  readonly #waiting: Chunk[] = [];
  /** How much of the first chunk has been written. */
  #at = 0;
  #busy = false;
  #ending = false;

  override get taken(): number {
    return this.delivered;
  }

  /** TLS makes nothing of an empty write: the system is asked. */
  protected override askByWriting(): void {
    const descriptor = descriptorOf(this.lower);
    try {
      if (descriptor !== undefined) tryWrite(descriptor, Buffer.alloc(0));
    } catch (error) {
      this.fail(error);
    }
  }

  override write(chunk: Chunk): void {
    this.#waiting.push(chunk);
    if (!this.#busy) this.#writeOn();
  }

  override end(): void {
    this.#ending = true;
    if (!this.#busy) super.end();
  }

  #writeOn(): void {
    const chunk = this.#waiting[0];
    this.#busy = chunk !== undefined;
    if (chunk === undefined) {
      if (this.#ending) super.end();
      return;
    }
    const bytes = chunk.bytes.subarray(this.#at, this.#at + pieceBytes);
    const release = () => {
      this.#at += bytes.length;
      if (this.over || this.#at >= chunk.bytes.length) {
        this.#at = 0;
        this.#waiting.shift();
        chunk.release();
      }
      this.#writeOn();
    };
    super.write({ bytes, release });
  }
}

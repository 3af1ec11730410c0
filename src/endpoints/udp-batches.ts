import { tryRead } from "../flow/at-once.ts";
import type { Receiver } from "../flow/chunk.ts";
import { plainPath } from "./plain-path.ts";
import { descriptorOfDatagrams } from "./socket-handle.ts";
import { UdpSource } from "./udp.ts";

const bufferBytes = 256 * 1024;
/** What may wait for a slow stdout: 16 MiB. */
const mostLent = 64;
/** However small they are, and fast they come, signals and timers have their turn. */
const mostAtOnce = 512;
/** No datagram is longer: the field for its length has 16 bits (RFC 768). */
const longestBytes = 65_536;

/**
 * Datagrams without their senders, and as many in one chunk as have arrived: for a flood that nobody
 * watches. Node announces the first, for some microseconds each; the others are read here, in their
 * order, for Node reads one at a time. While a chunk is out, the next is filled.
 */
export class UdpBatchSource extends UdpSource {
  readonly #free: Buffer[] = [];
  #filling: Buffer | undefined;
  #length = 0;

  protected override take(to: Receiver, first: Buffer): void {
    this.#filling ??= this.#free.pop() ?? (this.lent < mostLent ? newBuffer() : undefined);
    const buffer = this.#filling;
    if (buffer === undefined) {
      this.dropped++;
      return;
    }
    this.received++;
    first.copy(buffer, this.#length);
    this.#length += first.length;
    const error = this.#readOn(buffer);
    if (this.lent === 0 || !this.#hasRoom()) this.#handOut(to);
    if (error !== undefined) this.fail(error);
  }

  /** What has been read is handed out first. */
  override stop(): void {
    if (this.to !== undefined) this.#handOut(this.to);
    super.stop();
  }

  #handOut(to: Receiver): void {
    const buffer = this.#filling;
    if (buffer === undefined || this.#length === 0) return;
    const bytes = buffer.subarray(0, this.#length);
    this.#filling = undefined;
    this.#length = 0;
    this.lent++;
    to.write({
      bytes,
      release: () => {
        this.lent--;
        this.#free.push(buffer);
        if (this.lent === 0 && this.to !== undefined) this.#handOut(this.to);
      },
    });
  }

  #hasRoom(): boolean {
    return this.#length + longestBytes <= bufferBytes;
  }

  /** Reads what else is there. Returns the error that it met. */
  #readOn(buffer: Buffer): unknown {
    const descriptor = plainPath ? undefined : descriptorOfDatagrams(this.socket);
    if (descriptor === undefined) return undefined;
    try {
      for (let turn = 0; turn < mostAtOnce; turn++) {
        if (this.received >= this.count || !this.#hasRoom()) break;
        const count = tryRead(descriptor, buffer, this.#length, longestBytes);
        if (count === undefined) break;
        this.#length += count;
        this.received++;
      }
      return undefined;
    } catch (error) {
      return error;
    }
  }
}

function newBuffer(): Buffer {
  return Buffer.allocUnsafeSlow(bufferBytes);
}

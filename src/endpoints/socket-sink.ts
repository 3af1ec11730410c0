import type { Socket } from "node:net";
import type { Ends } from "../events.ts";
import type { Chunk } from "../flow/chunk.ts";
import { StreamSink } from "../flow/stream-sink.ts";
import { tryWrite } from "../flow/at-once.ts";
import { plainPath } from "./plain-path.ts";
import { bytesTaken, descriptorOf } from "./socket-handle.ts";
import { behindEnd } from "./socket-reads.ts";

const nothing = Buffer.alloc(0);
/** In place of the descriptor of a socket that has none that we can write to. */
const none = -1;
/** How long the answer of a peer on another machine may take. */
const answerMs = 200;

/**
 * The writing side of a socket. While the system takes everything, it is written to directly, which
 * costs a fraction of a write through the stream; what does not fit goes through the stream.
 */
export class SocketSink extends StreamSink {
  readonly #socket: Socket;
  readonly #ends: Ends;
  /** The socket of the system: the same, but for one with TLS above it. */
  protected readonly lower: Socket;
  readonly #peerEnded: () => boolean;
  readonly #isLocal: boolean;
  #descriptor: number | undefined;
  /** When, where that matters; 0 before the first. */
  #lastWrite = 0;
  #direct = 0;
  /** What a proxy was told. */
  readonly #before: number;

  /** @param peerEnded - whether the peer's end has been read */
  constructor(socket: Socket, ends: Ends, peerEnded: () => boolean, lower = socket) {
    super(socket);
    this.lower = lower;
    this.#peerEnded = peerEnded;
    this.#socket = socket;
    this.#ends = ends;
    this.#isLocal = isLocal(ends);
    this.#before = bytesTaken(socket);
  }

  /** What Node holds for a slow peer is not taken yet. */
  override get taken(): number {
    return this.#direct + bytesTaken(this.#socket) - this.#before;
  }

  override write(chunk: Chunk): void {
    this.#lastWrite = this.#isLocal ? 1 : performance.now();
    const { bytes } = chunk;
    const count = this.over ? 0 : this.#writeNow(bytes);
    if (this.over || count === bytes.length) chunk.release();
    else if (count === 0) super.write(chunk);
    else super.write({ bytes: bytes.subarray(count), release: () => chunk.release() });
  }

  /** How many bytes the system has taken at once. */
  #writeNow(bytes: Buffer): number {
    const descriptor = (this.#descriptor ??= plainPath
      ? none
      : (descriptorOf(this.#socket) ?? none));
    if (descriptor === none || this.#socket.destroyed || this.#socket.writableLength > 0) return 0;
    let count = 0;
    try {
      count = tryWrite(descriptor, bytes) ?? 0;
    } catch (error) {
      this.fail(error);
    }
    this.#direct += count;
    this.delivered += count;
    return count;
  }

  /**
   * A peer that has ended may have left for good: then what we sent is answered by a reset, which
   * nobody would see, for there is nothing more to read or write. So the system is asked once more
   * before our end; for a peer on another machine, after the time its answer may take.
   */
  override end(): void {
    if (this.#lastWrite === 0 || !this.#peerEnded()) return super.end();
    const ask = () => {
      if (this.#ends.transport === "unix") this.#askByReading();
      else this.askByWriting();
      super.end();
    };
    const wait = this.#isLocal ? 0 : this.#lastWrite + answerMs - performance.now();
    if (wait > 0) setTimeout(ask, wait);
    else ask();
  }

  /** An empty write fails on a connection that was reset. */
  protected askByWriting(): void {
    super.write({ bytes: nothing, release: () => undefined });
  }

  /** A UNIX socket tells by a reset that its peer closed with bytes unread (unix(7)). */
  #askByReading(): void {
    const { error } = behindEnd(this.lower);
    if (error !== undefined) this.fail(error);
  }
}

function isLocal(ends: Ends): boolean {
  if (ends.transport === "unix") return true;
  // Who knows where the proxy's peer is.
  if (ends.proxy !== undefined) return false;
  return ends.local.address === ends.remote.address || ends.remote.address.startsWith("127.");
}

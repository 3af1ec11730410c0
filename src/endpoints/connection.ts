import type { Socket } from "node:net";
import { type Ends, hostPort } from "../events.ts";
import type { Chunk, Endpoint, Source } from "../flow/chunk.ts";
import { StreamSink } from "../flow/stream-sink.ts";
import { StreamSource } from "../flow/stream-source.ts";
import { behindEnd, type SocketReads } from "./socket-reads.ts";
import { unacknowledged } from "./socket-tables.ts";

/** An endpoint that is a connected socket, with the names of its two ends. */
export interface Connection extends Endpoint {
  readonly ends: Ends;
  /** Whether something written waits for the peer to take it. */
  readonly hasWaiting: () => boolean;
}

/** The peer in words: "127.0.0.1:9000", or the path of a UNIX socket. */
export function peerOf(ends: Ends): string {
  if (ends.transport === "unix") return ends.path;
  // One that had reset before it was accepted, whose bytes may be there all the same.
  if (ends.remote.address === "") return "a peer that is gone";
  return hostPort(ends.remote.address, ends.remote.port);
}

/** An IPv4 peer of a dual-stack socket is shown as the IPv4 address that it is. */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

/** The two ends of a TCP socket, as the system reports them. */
export function tcpEnds(socket: Socket): Ends {
  return {
    transport: "tcp",
    local: { address: plainAddress(socket.localAddress ?? ""), port: socket.localPort ?? 0 },
    remote: { address: plainAddress(socket.remoteAddress ?? ""), port: socket.remotePort ?? 0 },
  };
}

/**
 * An endpoint of a connected socket.
 *
 * @param reads - its reused buffers, where it was made with them; else it is read the plain way
 */
export function connectionOf(socket: Socket, ends: Ends, reads?: SocketReads): Connection {
  const source: Source = reads ?? new StreamSource(socket, "stream");
  const peerEnded = () => reads?.ended ?? socket.readableEnded;
  return {
    name: peerOf(ends),
    at: ends.transport === "unix" ? { address: ends.path } : ends.remote,
    ends,
    source,
    sink: new SocketSink(socket, ends, peerEnded),
    unacknowledged: () => unacknowledged(ends),
    hasWaiting: () => socket.writableLength > 0,
    close: () => {
      source.stop();
      socket.destroy();
    },
  };
}

const nothing = Buffer.alloc(0);
const answerMs = 200;

class SocketSink extends StreamSink {
  readonly #socket: Socket;
  readonly #ends: Ends;
  readonly #peerEnded: () => boolean;
  #lastWrite = 0;

  constructor(socket: Socket, ends: Ends, peerEnded: () => boolean) {
    super(socket);
    this.#peerEnded = peerEnded;
    this.#socket = socket;
    this.#ends = ends;
  }

  /** What Node holds for a slow peer is not taken yet. */
  override get taken(): number {
    const handle = (this.#socket as unknown as { _handle: { writeQueueSize?: number } | null })
      ._handle;
    return this.#socket.bytesWritten - (handle?.writeQueueSize ?? this.#socket.writableLength);
  }

  override write(chunk: Chunk): void {
    this.#lastWrite = performance.now();
    super.write(chunk);
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
      // An empty write fails on a connection that was reset.
      else this.write({ bytes: nothing, release: () => undefined });
      super.end();
    };
    const wait = this.#isLocal() ? 0 : this.#lastWrite + answerMs - performance.now();
    if (wait > 0) setTimeout(ask, wait);
    else ask();
  }

  /** A UNIX socket tells by a reset that its peer closed with bytes unread (unix(7)). */
  #askByReading(): void {
    const { error } = behindEnd(this.#socket);
    if (error !== undefined) this.fail(error);
  }

  #isLocal(): boolean {
    if (this.#ends.transport === "unix") return true;
    const { local, remote } = this.#ends;
    return local.address === remote.address || remote.address.startsWith("127.");
  }
}

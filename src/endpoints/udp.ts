import type { RemoteInfo, Socket } from "node:dgram";
import type { PortcatError } from "../errors.ts";
import type { SocketAddress } from "../events.ts";
import type { Chunk, Receiver, Sink, Source } from "../flow/chunk.ts";
import { tryWrite } from "../flow/at-once.ts";
import { plainAddress } from "./connection.ts";
import { plainPath } from "./plain-path.ts";
import { descriptorOfDatagrams } from "./socket-handle.ts";

/** What may wait for a slow stdout; datagrams beyond are dropped and counted. */
const mostWaitingBytes = 16 << 20;
/** About what a datagram costs besides its payload, so that a flood of empty ones is bounded too. */
const datagramCost = 1024;

/** Datagrams as they arrive, each one chunk with its sender. UDP cannot be told to wait. */
export class UdpSource implements Source {
  readonly nature = "stream";
  lent = 0;
  received = 0;
  /** Datagrams that had to be dropped because too many were waiting to be written. */
  dropped = 0;
  /** Undefined before the start, and once it has ended. */
  protected to: Receiver | undefined;
  protected readonly socket: Socket;
  /** How many datagrams are wanted. */
  protected readonly count: number;
  readonly #inWords: (error: unknown) => unknown;
  #failed: (error: unknown) => void = () => undefined;
  #waitingBytes = 0;

  /**
   * @param count - end after this many; Infinity for never
   * @param inWords - makes a foreseen error of a system error, where there is more to say about it
   */
  constructor(
    socket: Socket,
    count: number,
    inWords: (error: unknown) => unknown = (error) => error,
  ) {
    this.socket = socket;
    this.count = count;
    this.#inWords = inWords;
  }

  get arrived(): number {
    return this.received + this.dropped;
  }

  start(to: Receiver, failed: (error: unknown) => void): void {
    this.to = to;
    this.#failed = failed;
    this.socket.on("message", this.#take);
    this.socket.on("error", this.fail);
  }

  stop(): void {
    this.to = undefined;
    this.socket.off("message", this.#take);
  }

  /** Ends it from outside: the time to wait for answers is over. */
  end(): void {
    const to = this.to;
    this.stop();
    to?.end();
  }

  protected readonly fail = (error: unknown): void => {
    if (this.to === undefined) return;
    this.stop();
    this.#failed(this.#inWords(error));
  };

  readonly #take = (bytes: Buffer, from: RemoteInfo): void => {
    if (this.to === undefined) return;
    this.take(this.to, bytes, from);
    if (this.received >= this.count) this.end();
  };

  /** Hands out a datagram that has arrived, or drops it. */
  protected take(to: Receiver, bytes: Buffer, { address, port }: RemoteInfo): void {
    const cost = bytes.length + datagramCost;
    if (this.#waitingBytes + cost > mostWaitingBytes) {
      this.dropped++;
      return;
    }
    this.received++;
    this.lent++;
    this.#waitingBytes += cost;
    to.write({
      bytes,
      from: { address: plainAddress(address), port },
      release: () => {
        this.lent--;
        this.#waitingBytes -= cost;
      },
    });
  }
}

/** How a UDP socket of ours sends. */
export interface Sending {
  /** Where the next datagram goes; undefined for the peer of a connected socket. */
  readonly destination: () => SocketAddress | undefined;
  /** A datagram could not be sent. Returns the failure that ends the sending, or undefined to go on. */
  readonly refused: (error: Error, to: SocketAddress | undefined) => PortcatError | undefined;
  /** Everything is sent, and the end has come. */
  readonly done: () => void;
}

const mostInFlight = 64;

/** Sends each chunk as one datagram, a bounded number at a time. */
export class UdpSink implements Sink {
  delivered = 0;
  sent = 0;
  /** Datagrams that could not be sent. */
  lost = 0;
  readonly #socket: Socket;
  readonly #sending: Sending;
  readonly #waiting: Chunk[] = [];
  #inFlight = 0;
  #ending = false;
  #over = false;
  #closed = false;
  #finished: () => void = () => undefined;
  #failed: (error: unknown) => void = () => undefined;

  constructor(socket: Socket, sending: Sending) {
    this.#socket = socket;
    this.#sending = sending;
  }

  get taken(): number {
    return this.delivered;
  }

  open(finished: () => void, failed: (error: unknown) => void): void {
    this.#finished = finished;
    this.#failed = failed;
  }

  write(chunk: Chunk): void {
    if (this.#over) return chunk.release();
    this.#waiting.push(chunk);
    this.#sendSome();
  }

  end(): void {
    this.#ending = true;
    this.#finishIfDone();
  }

  /** Lets go of what waits. What its socket still tells of what is on its way is not listened to. */
  close(): void {
    this.#closed = true;
    this.#letGo();
  }

  #letGo(): void {
    this.#over = true;
    for (const chunk of this.#waiting.splice(0)) chunk.release();
  }

  #sendSome(): void {
    while (this.#inFlight < mostInFlight && !this.#over) {
      const chunk = this.#waiting.shift();
      if (chunk === undefined) return;
      this.#send(chunk);
    }
  }

  #send(chunk: Chunk): void {
    const to = this.#sending.destination();
    if (to === undefined && this.#inFlight === 0 && this.#sendNow(chunk)) return;
    this.#inFlight++;
    const sent = (error: Error | null) => {
      this.#inFlight--;
      if (this.#closed) return chunk.release();
      this.#sent(chunk, to, error);
      if (this.#over) return;
      this.#sendSome();
      this.#finishIfDone();
    };
    if (to === undefined) this.#socket.send(chunk.bytes, sent);
    else this.#socket.send(chunk.bytes, to.port, to.address, sent);
  }

  /** Writes to the connected socket itself, for a fraction of what a send costs. Whether that could be done. */
  #sendNow(chunk: Chunk): boolean {
    const descriptor = plainPath ? undefined : descriptorOfDatagrams(this.#socket);
    if (descriptor === undefined) return false;
    let error: Error | null = null;
    try {
      // Where the system's queue is full, Node waits for room.
      if (tryWrite(descriptor, chunk.bytes) === undefined) return false;
    } catch (why) {
      error = why as Error;
    }
    this.#sent(chunk, undefined, error);
    return true;
  }

  #sent(chunk: Chunk, to: SocketAddress | undefined, error: Error | null): void {
    chunk.release();
    if (error === null) {
      this.delivered += chunk.bytes.length;
      this.sent++;
      return;
    }
    this.lost++;
    const failure = this.#sending.refused(error, to);
    if (failure !== undefined) this.#fail(failure);
  }

  #finishIfDone(): void {
    if (!this.#ending || this.#over || this.#inFlight > 0 || this.#waiting.length > 0) return;
    this.#over = true;
    this.#finished();
    this.#sending.done();
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#failed(error);
    this.#letGo();
  }
}

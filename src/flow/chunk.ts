import type { SocketAddress } from "../events.ts";

/**
 * A piece of payload, and who lends its memory.
 *
 * Whoever is given a chunk owns it until it calls `release`, exactly once; only then may the source
 * use the memory again. A source hands out no more than a fixed number of chunks at a time, so
 * holding on to chunks is the back-pressure.
 */
export interface Chunk {
  readonly bytes: Buffer;
  /** Whom a datagram came from. A chunk that has it is one whole datagram. */
  readonly from?: SocketAddress;
  release(): void;
}

/** Takes chunks, in order, and then perhaps an end. Neither call throws. */
export interface Receiver {
  write(chunk: Chunk): void;
  end(): void;
}

/** What to expect of a source once the peer has ended (the relay's second rule of ending). */
export type Nature =
  /** All of it is known to exist: it is read to its end. */
  | "file"
  /** More may come or not: read until it has been silent for a while. */
  | "stream"
  /** A person: not waited for. */
  | "terminal";

export interface Source {
  readonly nature: Nature;
  /** Chunks handed out and not yet released. */
  readonly lent: number;
  /** Grows with whatever arrives, where that may be before it is handed out, or without that. */
  readonly arrived?: number;
  /**
   * Starts handing out chunks to `to`. Called once. Ends with `to.end()`, or `failed`, or neither after `stop`.
   *
   * @param chunkBytes - how many bytes at a time are taken best, where that matters
   */
  start(to: Receiver, failed: (error: unknown) => void, chunkBytes?: number): void;
  /** Stops handing out chunks and lets go of what it reads from. Chunks that are lent stay valid. */
  stop(): void;
  /** As `stop`, once a chunk that was read in part has been handed out as it is. */
  leave?(): void;
}

export interface Sink extends Receiver {
  /** Bytes that the system is known to have taken so far. */
  readonly delivered: number;
  /** The same, and what it has taken of the write under way: tells slow from stuck. */
  readonly taken: number;
  /** How many bytes at a time it takes best, where that matters. */
  readonly chunkBytes?: number | undefined;
  /**
   * Called once before the first chunk.
   *
   * @param finished - all that was written has been taken, and the end has been passed on
   * @param failed - at most once; from then on chunks are released without being written
   */
  open(finished: () => void, failed: (error: unknown) => void): void;
}

/** Something bytes can be exchanged with. */
export interface Endpoint {
  /** For messages: "127.0.0.1:9000", "stdin/stdout", "/run/x.sock". */
  readonly name: string;
  /** For error events: an IP address and port, or the path of a UNIX socket. */
  readonly at?: { readonly address: string; readonly port?: number };
  readonly source: Source;
  readonly sink: Sink;
  /**
   * Bytes that the system has taken for the peer and still holds, where that can be known. Not for
   * every chunk: it may cost a look at a table of all sockets.
   */
  readonly unacknowledged?: () => number;
  /** Lets go of it at once; what the system has taken is still delivered. */
  close(): void;
}

/** The near side. Without a source nothing is sent; without a sink we only send, and what arrives is discarded. */
export interface Local {
  readonly source: Source | undefined;
  readonly sink: Sink | undefined;
}

/** Changes or watches the chunks on their way to a receiver. */
export type Stage = (next: Receiver) => Receiver;

/** The stages in the order in which a chunk meets them, then the receiver. */
export function throughStages(stages: readonly Stage[], receiver: Receiver): Receiver {
  return stages.reduceRight((next, stage) => stage(next), receiver);
}

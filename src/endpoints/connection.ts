import type { Socket } from "node:net";
import { type Ends, hostPort, type TlsSession } from "../events.ts";
import type { Endpoint } from "../flow/chunk.ts";
import { descriptorOf } from "./socket-handle.ts";
import type { SocketReads } from "./socket-reads.ts";
import { SocketSink } from "./socket-sink.ts";
import { unacknowledged } from "./socket-tables.ts";

/** An endpoint that is a connected socket, with the names of its two ends. */
export interface Connection extends Endpoint {
  readonly ends: Ends;
  /** Whether something written waits for the peer to take it. */
  readonly hasWaiting: () => boolean;
  /** With TLS: when the handshake is over, or how it failed. Nothing is to be read or written before. */
  readonly secured?: Promise<TlsSession>;
}

/** A connected socket that nothing of ours reads yet. */
export interface Link {
  readonly socket: Socket;
  /** The socket of the system: the same, or the one below TLS. */
  readonly lower: Socket;
  readonly ends: Ends;
}

/** A link with TLS above another, its handshake over. */
export interface SecureLink extends Link {
  readonly session: TlsSession;
}

/** Speaks TLS over a link, as a client (see tls.ts). */
export type Secure = (
  link: Link,
  host: string | undefined,
  signal: AbortSignal,
) => Promise<SecureLink>;

/** Makes a TLS connection of a socket that a listener has accepted: there at once, with the handshake to come. */
export type SecureAccepted = (socket: Socket, ends: Ends) => Connection;

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

/** A peer in words, as "127.0.0.1:443", and as error events have it. */
export interface Place {
  readonly name: string;
  readonly at: { readonly address: string; readonly port?: number };
}

export function placeOf(ends: Ends): Place {
  const at = ends.transport === "unix" ? { address: ends.path } : ends.remote;
  return { name: peerOf(ends), at };
}

/** Bytes that the system holds for the peer of a socket, where that can be known. */
export function heldForPeer(socket: Socket, ends: Ends): number {
  const descriptor = ends.transport === "tcp" ? descriptorOf(socket) : undefined;
  return descriptor === undefined ? 0 : unacknowledged(descriptor);
}

/**
 * An endpoint of a connected socket, and of what reads and writes it.
 *
 * @param lower - the socket of the system: the same, but for one with TLS above it
 */
export function connectionOf(
  socket: Socket,
  ends: Ends,
  reads: SocketReads,
  sink?: SocketSink,
  lower?: Socket,
): Connection {
  // Thousands of clients have one each: a literal without spread or defaults takes a KiB less.
  const { name, at } = placeOf(ends);
  return {
    name,
    at,
    ends,
    source: reads,
    sink: sink ?? new SocketSink(socket, ends, () => reads.ended),
    unacknowledged: () => heldForPeer(lower ?? socket, ends),
    hasWaiting: () => socket.writableLength > 0,
    close: () => {
      reads.stop();
      socket.destroy();
    },
  };
}

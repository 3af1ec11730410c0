import {
  type Connection,
  connectionOf,
  type Link,
  placeOf,
  type Secure,
  type SecureLink,
} from "./connection.ts";
import type { Deadline } from "./deadline.ts";
import { SocketReads } from "./socket-reads.ts";
import { handshakeLate } from "./tls-failure.ts";
import { TlsSink } from "./tls-sink.ts";

/** Speaks TLS over a link, which is what its time is for from now on. */
export function secureLink(
  secure: Secure,
  link: Link,
  host: string | undefined,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<SecureLink> {
  const place = placeOf(link.ends);
  deadline.late = (seconds) => handshakeLate(place, seconds);
  return secure(link, host, signal);
}

/** The connection of a client's link, which may be TLS. */
export function linkConnection(link: Link | SecureLink): Connection {
  const connection = connectionBehind(link);
  return "session" in link ? { ...connection, secured: Promise.resolve(link.session) } : connection;
}

/** A connection that begins with a handshake, which may read what belongs to the connection. */
export function connectionBehind({ socket, lower, ends }: Link): Connection {
  const reads = new SocketReads();
  reads.attachBehindHandshake(socket);
  const sink = lower === socket ? undefined : new TlsSink(socket, ends, () => reads.ended, lower);
  return connectionOf(socket, ends, reads, sink, lower);
}

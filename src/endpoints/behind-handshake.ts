import { type Connection, connectionOf, type Link, type SecureLink } from "./connection.ts";
import { SocketReads } from "./socket-reads.ts";
import { TlsSink } from "./tls-sink.ts";

/** The connection of a client's TLS link. */
export function secureConnection(link: SecureLink): Connection {
  return { ...connectionBehind(link), secured: Promise.resolve(link.session) };
}

/** A connection that begins with a handshake, which may read what belongs to the connection. */
export function connectionBehind({ socket, lower, ends }: Link): Connection {
  const reads = new SocketReads();
  reads.attachBehindHandshake(socket);
  const sink = lower === socket ? undefined : new TlsSink(socket, ends, () => reads.ended, lower);
  return connectionOf(socket, ends, reads, sink, lower);
}

import type { Emit } from "../events.ts";
import { linkConnection, secureLink } from "./behind-handshake.ts";
import {
  type Connection,
  connectionOf,
  type Link,
  type Secure,
  type SecureLink,
  tcpEnds,
} from "./connection.ts";
import { type Deadline, withDeadline } from "./deadline.ts";
import { setSocketOptions, type SocketOptions } from "./socket-options.ts";
import { dialTcp, type DialTarget } from "./tcp-dial.ts";
import type { Tunnel } from "./tunnel.ts";

export interface TcpTarget extends DialTarget, SocketOptions {
  /** Over name resolution, all addresses together, a proxy, and a TLS handshake; 0 for no limit. */
  readonly timeoutMs: number;
  readonly secure?: Secure;
  readonly tunnel?: Tunnel;
}

/**
 * Connects to a TCP port.
 *
 * @throws PortcatError saying what each address or the proxy answered, or the reason of `signal`
 */
export async function connectTcp(
  target: TcpTarget,
  signal: AbortSignal,
  emit: Emit,
): Promise<Connection> {
  if (target.secure !== undefined || target.tunnel !== undefined)
    return linkConnection(await linkTcp(target, signal, emit));
  return withDeadline(target.timeoutMs, signal, async (signal, deadline) => {
    const { socket, reads } = await dialTcp(target, "ours", deadline, signal, emit);
    setSocketOptions(socket, target, emit);
    return connectionOf(socket, tcpEnds(socket), reads);
  });
}

/** Connects to a TCP port, for somebody else to read. @throws PortcatError as `connectTcp` does */
export function linkTcp(
  target: TcpTarget,
  signal: AbortSignal,
  emit: Emit,
): Promise<Link | SecureLink> {
  const { tunnel = linkPlain, secure, host, timeoutMs } = target;
  return withDeadline(timeoutMs, signal, async (signal, deadline) => {
    const link = await tunnel(target, deadline, signal, emit);
    return secure === undefined ? link : secureLink(secure, link, host, deadline, signal);
  });
}

async function linkPlain(
  target: DialTarget & SocketOptions,
  deadline: Deadline,
  signal: AbortSignal,
  emit: Emit,
): Promise<Link> {
  const { socket } = await dialTcp(target, "another", deadline, signal, emit);
  setSocketOptions(socket, target, emit);
  return { socket, lower: socket, ends: tcpEnds(socket) };
}

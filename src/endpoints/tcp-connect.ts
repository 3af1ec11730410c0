import type { Emit } from "../events.ts";
import { connectionBehind, secureConnection, secureLink } from "./behind-handshake.ts";
import { type Connection, connectionOf, type Secure, tcpEnds } from "./connection.ts";
import { withDeadline } from "./deadline.ts";
import { setSocketOptions, type SocketOptions } from "./socket-options.ts";
import { dialTcp, type DialTarget } from "./tcp-dial.ts";
import type { Tunnel } from "./tunnel.ts";

export interface TcpTarget extends DialTarget, SocketOptions {
  /** Over name resolution, all addresses together, and a TLS handshake; 0 for no limit. */
  readonly timeoutMs: number;
  readonly secure?: Secure;
  readonly tunnel?: Tunnel;
}

/**
 * Connects to a TCP port.
 *
 * @throws PortcatError saying what each address or the proxy answered, or the reason of `signal`
 */
export function connectTcp(
  target: TcpTarget,
  signal: AbortSignal,
  emit: Emit,
): Promise<Connection> {
  const { tunnel, secure, host, timeoutMs } = target;
  return withDeadline(timeoutMs, signal, async (signal, deadline) => {
    if (tunnel !== undefined) {
      const link = await tunnel(target, deadline, signal, emit);
      return secure === undefined
        ? connectionBehind(link)
        : secureConnection(await secureLink(secure, link, host, deadline, signal));
    }
    const reader = secure === undefined ? "ours" : "another";
    const { socket, reads } = await dialTcp(target, reader, deadline, signal, emit);
    setSocketOptions(socket, target, emit);
    const ends = tcpEnds(socket);
    if (secure === undefined) return connectionOf(socket, ends, reads);
    const link = { socket, lower: socket, ends };
    return secureConnection(await secureLink(secure, link, host, deadline, signal));
  });
}

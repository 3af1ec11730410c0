import type { Emit } from "../events.ts";
import { secureConnection } from "./behind-handshake.ts";
import { type Connection, connectionOf, type Secure, tcpEnds } from "./connection.ts";
import { withDeadline } from "./deadline.ts";
import { setSocketOptions, type SocketOptions } from "./socket-options.ts";
import { dialTcp, type DialTarget } from "./tcp-dial.ts";

export interface TcpTarget extends DialTarget, SocketOptions {
  /** Over name resolution, all addresses together, and a TLS handshake; 0 for no limit. */
  readonly timeoutMs: number;
  readonly secure?: Secure;
}

/**
 * Connects to a TCP port.
 *
 * @throws PortcatError saying what each address answered, or the reason of `signal`
 */
export function connectTcp(
  target: TcpTarget,
  signal: AbortSignal,
  emit: Emit,
): Promise<Connection> {
  const { secure, host, timeoutMs } = target;
  return withDeadline(timeoutMs, signal, async (signal, deadline) => {
    const reader = secure === undefined ? "ours" : "another";
    const { socket, reads } = await dialTcp(target, reader, deadline, signal, emit);
    setSocketOptions(socket, target, emit);
    const ends = tcpEnds(socket);
    if (secure === undefined) return connectionOf(socket, ends, reads);
    return secureConnection(await secure({ socket, lower: socket, ends }, host, signal));
  });
}

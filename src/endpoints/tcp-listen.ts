import { hostPort, type Emit } from "../events.ts";
import { tcpEnds } from "./connection.ts";
import { boundOf, listen, type Listener, type OnAccepted } from "./listener.ts";
import { type Family, resolveHost } from "./resolve.ts";
import type { SocketOptions } from "./socket-options.ts";

export interface TcpListenTarget extends SocketOptions {
  /** Undefined is every address: IPv6 and IPv4 on one socket where the system has both. */
  readonly host: string | undefined;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly family: Family;
  readonly backlog: number;
}

/**
 * Listens on a TCP port.
 *
 * @throws PortcatError when the host does not resolve (exit code 3) or cannot be bound (7)
 */
export async function listenTcp(
  target: TcpListenTarget,
  onAccepted: OnAccepted,
  signal: AbortSignal,
  emit: Emit,
): Promise<Listener> {
  const { port, backlog, family } = target;
  const host = await bindAddress(target, signal, emit);
  const name = host === undefined ? `port ${String(port)}` : hostPort(host, port);
  const place = { name, transport: "tcp", address: host, port } as const;
  const options = {
    port,
    backlog,
    ...(host !== undefined && { host }),
    ipv6Only: family === 6,
  };
  const server = await listen(place, options, target, tcpEnds, onAccepted, emit);
  return { bound: boundOf(server), close: () => server.close() };
}

/** The numeric address to bind; undefined for all of both families. */
export async function bindAddress(
  { host, port, family }: { host: string | undefined; port: number; family: Family },
  signal: AbortSignal,
  emit: Emit,
): Promise<string | undefined> {
  if (host !== undefined)
    return (await resolveHost({ host, port, family }, signal, emit))[0]?.address;
  if (family === 0) return undefined;
  return family === 4 ? "0.0.0.0" : "::";
}

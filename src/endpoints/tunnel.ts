import { causeInWords, codeOf, ExitCode, PortcatError, usageError } from "../errors.ts";
import { type Emit, hostPort } from "../events.ts";
import { asciiName, isIP } from "../ip.ts";
import { secureLink } from "./behind-handshake.ts";
import { type Link, type Secure, tcpEnds } from "./connection.ts";
import { type Deadline, timedOut } from "./deadline.ts";
import { Refusal } from "./proxy-refusal.ts";
import { resolveHost } from "./resolve.ts";
import { setSocketOptions, type SocketOptions } from "./socket-options.ts";
import { dialTcp, type DialTarget } from "./tcp-dial.ts";

/** A host and a port, as a proxy is asked for them. */
export interface Destination {
  readonly host: string;
  readonly port: number;
}

export interface Proxy extends Destination {
  readonly protocol: "socks4" | "socks4a" | "socks5" | "http" | "https";
  readonly credentials?: { readonly user: string; readonly password: string };
  /** How to speak TLS with an https proxy. */
  readonly secure?: Secure;
}

export type TunnelTarget = DialTarget & SocketOptions;

/** Connects to a target through something. */
export type Tunnel = (
  target: TunnelTarget,
  deadline: Deadline,
  signal: AbortSignal,
  emit: Emit,
) => Promise<Link>;

/**
 * A tunnel through a proxy. What a target says of family and source is for the connection to the
 * proxy, which resolves the target's name, but for SOCKS 4, which knows addresses alone.
 *
 * Tunnelling throws a PortcatError with the proxy's own reason (exit code 10), or the reason of its
 * signal.
 */
export function tunnelThrough(proxy: Proxy): Tunnel {
  return async (target, deadline, signal, emit) => {
    const destination = await destinationFor(proxy, target, signal, emit);
    const link = await linkToProxy(proxy, target, deadline, signal, emit);
    const through = hostPort(proxy.host, proxy.port);
    const wanted = hostPort(target.host, target.port);
    deadline.late = (seconds) =>
      timedOut(
        `the proxy ${through} has not connected to ${wanted} within ${seconds} s`,
        proxyAt(proxy),
      );
    try {
      await negotiate(link, proxy, destination, signal);
    } catch (error) {
      link.socket.destroy();
      if (signal.aborted) throw signal.reason as Error;
      const why =
        error instanceof Refusal ? `${error.message} (${error.code})` : causeInWords(error);
      throw proxyError(`the proxy ${through} does not connect to ${wanted}: ${why}`, proxy, error);
    }
    return throughProxy(link, target);
  };
}

/** The way to a proxy that takes whole requests for others (RFC 9112, section 3.2.2), and is asked for nothing before. */
export function wayToProxy(proxy: Proxy): Tunnel {
  return async (target, deadline, signal, emit) =>
    throughProxy(await linkToProxy(proxy, target, deadline, signal, emit), target);
}

/** The peer is the target, as it was asked for. */
function throughProxy(link: Link, { host, port }: Destination): Link {
  const { socket, lower, ends } = link;
  if (ends.transport === "unix") return link;
  const remote = { address: host, port };
  return { socket, lower, ends: { ...ends, remote, proxy: ends.remote } };
}

/** Why a proxy of this protocol cannot be asked for a host; undefined where it can. */
function whyNot(protocol: Proxy["protocol"], host: string): string | undefined {
  if (host.includes("%")) return `a proxy knows no interface of this machine: ${host}`;
  if (protocol.startsWith("socks4")) {
    if (isIP(host) === 6)
      return `a ${protocol} proxy knows no IPv6 addresses, as ${host}; socks5 and http do`;
    // SOCKS 4a says so that a name follows.
    if (isIP(host) === 4 && host.startsWith("0.0.0."))
      return `a ${protocol} proxy cannot be asked for ${host}`;
  }
  const { length } = asciiName(host);
  if (length > 0 && length <= 255) return undefined;
  return `a proxy cannot be asked for ${host}: it is no name of DNS (RFC 5890)`;
}

/** @throws PortcatError (exit code 2) when a proxy of this protocol cannot be asked for a host that was typed */
export function checkDestination({ protocol }: Pick<Proxy, "protocol">, host: string): void {
  const why = whyNot(protocol, host);
  if (why !== undefined) throw usageError(why);
}

/** @throws PortcatError when the name is for us to resolve, and does not (exit code 3) */
async function destinationFor(
  proxy: Proxy,
  { host, port }: TunnelTarget,
  signal: AbortSignal,
  emit: Emit,
): Promise<Destination> {
  const { protocol } = proxy;
  // Where a redirect leads was not typed.
  const why = whyNot(protocol, host);
  if (why !== undefined) throw proxyError(`${why} (EPROXY)`, proxy, undefined);
  if (isIP(host) !== 0) return { host, port };
  if (protocol !== "socks4") return { host: asciiName(host), port };
  const [first] = await resolveHost({ host, port, family: 4 }, signal, emit);
  return { host: first?.address ?? host, port };
}

/** Connects to the proxy itself, with TLS where it speaks that. */
async function linkToProxy(
  proxy: Proxy,
  target: TunnelTarget,
  deadline: Deadline,
  signal: AbortSignal,
  emit: Emit,
): Promise<Link> {
  const { host, port, secure } = proxy;
  const unreached = (error: PortcatError) =>
    proxyError(`the proxy cannot be reached: ${error.message}`, proxy, error);
  /** What has just begun says what to say when it is late. */
  const towards = <T>(begun: Promise<T>) => {
    const { late } = deadline;
    deadline.late = (seconds) => unreached(late(seconds));
    return begun;
  };
  try {
    const { socket } = await towards(
      dialTcp({ ...target, host, port }, "another", deadline, signal, emit),
    );
    // What goes wrong between two steps shows in the next one.
    socket.on("error", () => undefined);
    setSocketOptions(socket, target, emit);
    const link = { socket, lower: socket, ends: tcpEnds(socket) };
    return secure === undefined
      ? link
      : await towards(secureLink(secure, link, host, deadline, signal));
  } catch (error) {
    if (signal.aborted || !(error instanceof PortcatError)) throw error;
    throw unreached(error);
  }
}

async function negotiate(
  { socket }: Link,
  proxy: Proxy,
  destination: Destination,
  signal: AbortSignal,
): Promise<void> {
  if (proxy.protocol.startsWith("http")) {
    const { askHttpProxy } = await import("./http-proxy.ts");
    return askHttpProxy(socket, proxy, destination, signal);
  }
  const { askSocksProxy } = await import("./socks-proxy.ts");
  return askSocksProxy(socket, proxy, destination, signal);
}

const proxyAt = ({ host, port }: Proxy) => ({ address: host, port });

/** Exit code 10, but for a time that is over. */
function proxyError(message: string, proxy: Proxy, cause: unknown): PortcatError {
  const late = cause instanceof PortcatError && cause.exitCode === ExitCode.timedOut;
  return new PortcatError(message, {
    exitCode: late ? ExitCode.timedOut : ExitCode.proxy,
    code: codeOf(cause) || "EPROXY",
    cause,
    ...proxyAt(proxy),
  });
}

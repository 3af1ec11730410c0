import { Socket } from "node:net";
import { causeInWords, codeOf, ExitCode, PortcatError, systemError } from "../errors.ts";
import { type Emit, hostPort } from "../events.ts";
import { type Connection, connectionOf, type Secure, tcpEnds } from "./connection.ts";
import { type Family, type LocalSource, type ResolvedAddress, resolveFrom } from "./resolve.ts";
import { SocketReads } from "./socket-reads.ts";
import { setSocketOptions, type SocketOptions } from "./socket-options.ts";

export interface TcpTarget extends SocketOptions {
  readonly host: string;
  readonly port: number;
  readonly family: Family;
  /** A numeric local address, and perhaps a local port. */
  readonly source?: LocalSource;
  /** Over name resolution, all addresses together, and a TLS handshake; 0 for no limit. */
  readonly timeoutMs: number;
  readonly secure?: Secure;
}

/** How long one address may be silent before the next is tried beside it (RFC 8305, section 5). */
const nextAddressMs = 250;

interface Connected {
  readonly socket: Socket;
  readonly reads: SocketReads;
}

/**
 * Connects to the first of a host's addresses that answers. An address that is silent does not hold
 * up the others, and is still waited for beside them.
 *
 * @throws PortcatError saying what each address answered, or the reason of `signal`
 */
export async function connectTcp(
  target: TcpTarget,
  signal: AbortSignal,
  emit: Emit,
): Promise<Connection> {
  const attempt = new AbortController();
  const abort = () => attempt.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  const addresses: ResolvedAddress[] = [];
  const deadline =
    target.timeoutMs > 0
      ? setTimeout(() => attempt.abort(noAnswer(target, addresses)), target.timeoutMs)
      : undefined;
  try {
    addresses.push(...(await resolveFrom(target, attempt.signal, emit)));
    const { socket, reads } = await firstToAnswer(target, addresses, attempt.signal, emit);
    setSocketOptions(socket, target, emit);
    const ends = tcpEnds(socket);
    if (target.secure === undefined) return connectionOf(socket, ends, reads);
    return await target.secure(socket, ends, target.host, attempt.signal);
  } finally {
    clearTimeout(deadline);
    signal.removeEventListener("abort", abort);
  }
}

function firstToAnswer(
  target: TcpTarget,
  addresses: readonly ResolvedAddress[],
  signal: AbortSignal,
  emit: Emit,
): Promise<Connected> {
  return new Promise((resolve, reject) => {
    const open = new Set<Socket>();
    const failures: { address: string; error: unknown }[] = [];
    let next = 0;
    let stagger: NodeJS.Timeout | undefined;

    const over = () => {
      clearTimeout(stagger);
      signal.removeEventListener("abort", aborted);
      for (const socket of open) socket.destroy();
    };
    const aborted = () => {
      over();
      reject(signal.reason as Error);
    };

    const tryNext = () => {
      clearTimeout(stagger);
      const current = addresses[next++];
      if (current === undefined) return;
      const { address } = current;
      emit({ event: "trying", address, port: target.port });
      const reads = new SocketReads();
      // A socket that TLS reads is not read by us.
      const own = target.secure === undefined;
      const socket = new Socket({ allowHalfOpen: true, ...(own && reads.socketOptions) });
      socket.pause();
      open.add(socket);
      socket.once("error", (error) => {
        open.delete(socket);
        failures.push({ address, error });
        if (failures.length < addresses.length) return tryNext();
        over();
        reject(cannotConnect(target, failures));
      });
      socket.once("connect", () => {
        open.delete(socket);
        over();
        socket.removeAllListeners("error");
        if (own) reads.attach(socket);
        resolve({ socket, reads });
      });
      socket.connect({
        host: address,
        port: target.port,
        ...(target.source && {
          localAddress: target.source.address,
          ...(target.source.port > 0 && { localPort: target.source.port }),
        }),
      });
      if (next < addresses.length) stagger = setTimeout(tryNext, nextAddressMs);
    };

    if (signal.aborted) return aborted();
    signal.addEventListener("abort", aborted);
    tryNext();
  });
}

/** "127.0.0.1:80 (example.test)", or just the address where it was typed as one. */
function inWords({ host, port }: TcpTarget, addresses: readonly string[]): string {
  if (addresses.length === 0) return hostPort(host, port);
  const places = addresses.map((address) => hostPort(address, port)).join(" or ");
  return addresses.length === 1 && addresses[0] === host ? places : `${places} (${host})`;
}

function noAnswer(target: TcpTarget, tried: readonly ResolvedAddress[]): PortcatError {
  const place = inWords(
    target,
    tried.map(({ address }) => address),
  );
  const what = tried.length === 0 ? `resolve ${target.host}` : `connect to ${place}`;
  return new PortcatError(
    `cannot ${what}: no answer within ${String(target.timeoutMs / 1000)} s (ETIMEDOUT)`,
    {
      exitCode: ExitCode.timedOut,
      code: "ETIMEDOUT",
      address: tried[0]?.address ?? target.host,
      port: target.port,
    },
  );
}

/** What decides the exit code where addresses failed in different ways: the first of these. */
const tellingCodes = ["ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"];

function cannotConnect(
  target: TcpTarget,
  failures: readonly { address: string; error: unknown }[],
): PortcatError {
  const codes = failures.map(({ error }) => codeOf(error));
  const telling = tellingCodes.find((code) => codes.includes(code)) ?? codes[0];
  const decisive = failures[codes.indexOf(telling ?? "")] ?? failures[0];
  const details = {
    address: decisive?.address,
    port: target.port,
    ...exitCodeHere(target, telling),
  };
  if (new Set(codes).size === 1) {
    const place = inWords(
      target,
      failures.map(({ address }) => address),
    );
    const from = target.source ? ` from ${target.source.address}` : "";
    return systemError(`cannot connect to ${place}${from}`, decisive?.error, details);
  }
  const each = failures.map(
    ({ address, error }) => `${hostPort(address, target.port)}: ${causeInWords(error)}`,
  );
  return systemError("", decisive?.error, {
    ...details,
    message: `cannot connect to ${target.host}: ${each.join("; ")}`,
  });
}

/** EADDRNOTAVAIL is about the source address where one was asked for, and about the route where none was. */
function exitCodeHere(target: TcpTarget, code: string | undefined): { exitCode?: number } {
  if (code === "EADDRNOTAVAIL" && target.source === undefined)
    return { exitCode: ExitCode.unreachable };
  if (code === "EACCES" && (target.source?.port ?? 0) > 0) return { exitCode: ExitCode.cannotBind };
  if (code === "ECONNRESET") return { exitCode: ExitCode.broken };
  return {};
}

import type { Socket } from "node:net";
import { causeInWords, codeOf, ExitCode, type PortcatError, systemError } from "../errors.ts";
import { type Emit, hostPort } from "../events.ts";
import { type Deadline, timedOut } from "./deadline.ts";
import { type Family, type LocalSource, type ResolvedAddress, resolveFrom } from "./resolve.ts";
import { type Dialed, type Reader, socketFor } from "./dialed.ts";

export interface DialTarget {
  readonly host: string;
  readonly port: number;
  readonly family: Family;
  /** A numeric local address, and perhaps a local port. */
  readonly source?: LocalSource;
}

/** How long one address may be silent before the next is tried beside it (RFC 8305, section 5). */
const nextAddressMs = 250;

/**
 * Connects to the first of a host's addresses that answers. An address that is silent does not hold
 * up the others, and is still waited for beside them.
 *
 * @param reader - "ours" attaches what reads it to the socket
 * @throws PortcatError saying what each address answered, or the reason of `signal`
 */
export async function dialTcp(
  target: DialTarget,
  reader: Reader,
  deadline: Deadline,
  signal: AbortSignal,
  emit: Emit,
): Promise<Dialed> {
  const addresses: ResolvedAddress[] = [];
  deadline.late = (seconds) => noAnswer(target, addresses, seconds);
  addresses.push(...(await resolveFrom(target, signal, emit)));
  return firstToAnswer(target, addresses, reader, signal, emit);
}

function firstToAnswer(
  target: DialTarget,
  addresses: readonly ResolvedAddress[],
  reader: Reader,
  signal: AbortSignal,
  emit: Emit,
): Promise<Dialed> {
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
      const { socket, reads } = socketFor(reader);
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
        if (reader === "ours") reads.attach(socket);
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
function inWords({ host, port }: DialTarget, addresses: readonly string[]): string {
  if (addresses.length === 0) return hostPort(host, port);
  const places = addresses.map((address) => hostPort(address, port)).join(" or ");
  return addresses.length === 1 && addresses[0] === host ? places : `${places} (${host})`;
}

function noAnswer(
  target: DialTarget,
  tried: readonly ResolvedAddress[],
  seconds: string,
): PortcatError {
  const place = inWords(
    target,
    tried.map(({ address }) => address),
  );
  const what = tried.length === 0 ? `resolve ${target.host}` : `connect to ${place}`;
  return timedOut(`cannot ${what}: no answer within ${seconds} s`, {
    address: tried[0]?.address ?? target.host,
    port: target.port,
  });
}

/** What decides the exit code where addresses failed in different ways: the first of these. */
const tellingCodes = ["ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"];

function cannotConnect(
  target: DialTarget,
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
function exitCodeHere(target: DialTarget, code: string | undefined): { exitCode?: number } {
  if (code === "EADDRNOTAVAIL" && target.source === undefined)
    return { exitCode: ExitCode.unreachable };
  if (code === "EACCES" && (target.source?.port ?? 0) > 0) return { exitCode: ExitCode.cannotBind };
  if (code === "ECONNRESET") return { exitCode: ExitCode.broken };
  return {};
}

import { lookup } from "node:dns";
import { isIP } from "node:net";
import { type PortcatError, systemError, usageError } from "../errors.ts";
import type { Emit } from "../events.ts";

/** Which address families may be used: 0 is any. */
export type Family = 0 | 4 | 6;

export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/**
 * The addresses of a host name in the system's order (getaddrinfo(3)); of a numeric address, itself.
 *
 * @throws PortcatError when the name does not resolve (exit code 3), when a numeric address is of
 *   the other family (2), or the reason of `signal`
 */
export async function resolveHost(
  host: string,
  family: Family,
  signal: AbortSignal,
  emit: Emit,
): Promise<ResolvedAddress[]> {
  const numeric = isIP(host) as Family;
  if (numeric !== 0) {
    if (family !== 0 && family !== numeric)
      throw usageError(
        `${host} is an IPv${String(numeric)} address, but -${String(family)} asks for IPv${String(family)}`,
      );
    return [{ address: host, family: numeric }];
  }
  const found = await abortable(signal, lookUp(host, family));
  emit({ event: "resolved", name: host, addresses: found.map(({ address }) => address) });
  return found;
}

/** A numeric address of this machine to send from, and perhaps a port. */
export interface LocalSource {
  readonly address: string;
  readonly family: 4 | 6;
  readonly port: number;
}

/**
 * The addresses of a host that can be reached from `source`, where there is one.
 *
 * @throws PortcatError as `resolveHost` does, and when all are of the other family (exit code 2)
 */
export async function resolveFrom(
  { host, family, source }: { host: string; family: Family; source?: LocalSource },
  signal: AbortSignal,
  emit: Emit,
): Promise<ResolvedAddress[]> {
  const all = await resolveHost(host, family, signal, emit);
  const usable = all.filter((each) => source === undefined || each.family === source.family);
  if (source !== undefined && usable.length === 0)
    throw usageError(
      `--source ${source.address} is IPv${String(source.family)}, but ${host} has no such address`,
    );
  return usable;
}

function lookUp(host: string, family: Family): Promise<ResolvedAddress[]> {
  return new Promise((resolve, reject) => {
    lookup(host, { all: true, family }, (error, addresses) => {
      if (error) reject(unresolved(host, family, error));
      else resolve(addresses as ResolvedAddress[]);
    });
  });
}

function unresolved(host: string, family: Family, error: NodeJS.ErrnoException): PortcatError {
  const wanted = family === 0 ? "" : ` to an IPv${String(family)} address`;
  return systemError(`cannot resolve ${host}${wanted}`, error, { address: host });
}

/** The outcome of `work`, or the reason of `signal` as soon as it aborts; `work` is then left to itself. */
export function abortable<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason as Error);
    if (signal.aborted) aborted();
    signal.addEventListener("abort", aborted, { once: true });
    const over = () => signal.removeEventListener("abort", aborted);
    work.then(
      (value) => {
        over();
        resolve(value);
      },
      (error: Error) => {
        over();
        reject(error);
      },
    );
  });
}

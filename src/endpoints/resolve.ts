import { type PortcatError, systemError, usageError } from "../errors.ts";
import { type Emit, hostPort } from "../events.ts";
import { isIP } from "../ip.ts";

/** Which address families may be used: 0 is any. */
export type Family = 0 | 4 | 6;

export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** What is to be resolved, and the port it is wanted for, which belongs in the error. */
export interface Named {
  readonly host: string;
  readonly port: number;
  readonly family: Family;
}

/**
 * The addresses of a host name in the system's order (getaddrinfo(3)); of a numeric address, itself.
 *
 * @throws PortcatError when the name does not resolve (exit code 3), or the reason of `signal`
 */
export async function resolveHost(
  named: Named,
  signal: AbortSignal,
  emit: Emit,
): Promise<ResolvedAddress[]> {
  const { host } = named;
  const numeric = isIP(host);
  if (numeric !== 0) return [{ address: host, family: numeric }];
  const found = await abortable(signal, lookUp(named));
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
  target: Named & { source?: LocalSource },
  signal: AbortSignal,
  emit: Emit,
): Promise<ResolvedAddress[]> {
  const { host, source } = target;
  const all = await resolveHost(target, signal, emit);
  const usable = all.filter((each) => source === undefined || each.family === source.family);
  if (source !== undefined && usable.length === 0)
    throw usageError(
      `--source ${source.address} is IPv${String(source.family)}, but ${host} has no such address`,
    );
  return usable;
}

const pending = new Map<string, Promise<ResolvedAddress[]>>();

/** Asks the system, which cannot be told to stop: who asks again meanwhile waits for the same answer. */
function lookUp(named: Named): Promise<ResolvedAddress[]> {
  const key = `${String(named.family)} ${hostPort(named.host, named.port)}`;
  const begun = pending.get(key);
  if (begun !== undefined) return begun;
  const asked = askSystem(named).finally(() => pending.delete(key));
  pending.set(key, asked);
  // Where nobody waits for it any more.
  asked.catch(() => undefined);
  return asked;
}

function askSystem(named: Named): Promise<ResolvedAddress[]> {
  return new Promise((resolve, reject) => {
    // Loaded only for a name.
    const { lookup } = process.getBuiltinModule("node:dns");
    lookup(named.host, { all: true, family: named.family }, (error, addresses) => {
      if (error) reject(unresolved(named, error));
      else resolve(eachOnce(addresses as ResolvedAddress[]));
    });
  });
}

/** A name may have an address twice, as in /etc/hosts. */
function eachOnce(addresses: readonly ResolvedAddress[]): ResolvedAddress[] {
  return [...new Map(addresses.map((each) => [each.address, each])).values()];
}

function unresolved({ host, port, family }: Named, error: NodeJS.ErrnoException): PortcatError {
  const wanted = family === 0 ? "" : ` to an IPv${String(family)} address`;
  return systemError(`cannot resolve ${hostPort(host, port)}${wanted}`, error, {
    address: host,
    port,
  });
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

import net, { type AddressInfo } from "node:net";

/** A TCP handle of libuv, as node:net has it. Undocumented. */
interface Handle {
  onconnection?: (status: number, client?: { close(): void }) => void;
  listen(backlog: number): number;
  getsockname(address: object): number;
  close(): void;
}

type CreateHandle = (
  address: string,
  port: number,
  family: 4 | 6,
  fd: number,
  flags: number,
) => Handle | number;

/** UV_TCP_IPV6ONLY of libuv. */
const ipv6Only = 1;

/**
 * Listens on a numeric address, and turns everybody away: `net.Server` without the milliseconds in
 * which Node loads the resolver and compiles an expression for IPv6 addresses.
 *
 * @returns undefined where this Node has no such thing, and where the system refuses: a server says why
 */
export function listeningHandle(
  address: string,
  family: 4 | 6,
  port: number,
): { address: AddressInfo; close: () => void } | undefined {
  const { _createServerHandle: create } = net as { _createServerHandle?: CreateHandle };
  let handle: Handle | number | undefined;
  try {
    handle = create?.(address, port, family, -1, family === 6 ? ipv6Only : 0);
    if (typeof handle !== "object") return undefined;
    const listening = handle;
    listening.onconnection = (_, client) => client?.close();
    const bound: Partial<AddressInfo> = {};
    if (listening.listen(1) === 0 && listening.getsockname(bound) === 0 && isAddress(bound))
      return { address: bound, close: () => listening.close() };
  } catch {
    // It is not what we take it for.
  }
  if (typeof handle === "object") handle.close();
  return undefined;
}

function isAddress(bound: Partial<AddressInfo>): bound is AddressInfo {
  return bound.address !== undefined && bound.family !== undefined && bound.port !== undefined;
}

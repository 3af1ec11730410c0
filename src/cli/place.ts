import { InvalidArgumentError } from "commander";
import { isIP } from "../ip.ts";

/** Where to listen or to connect to, as typed. */
export interface Place {
  /** Undefined where only a port was given. An IPv6 address is without its brackets. */
  readonly host: string | undefined;
  readonly port: number;
}

/** Reads a port: decimal digits, `least` to 65535. */
export function parsePort(text: string, least: 0 | 1 = 0): number {
  const port = /^\d{1,6}$/.test(text) ? Number(text) : NaN;
  if (!(port >= least && port <= 65535))
    throw new InvalidArgumentError(
      `port ${quoted(text)} is not valid: expected a number from ${String(least)} to 65535`,
    );
  return port;
}

/**
 * Reads a place: "port", ":port", "host:port", "[v6]:port", or two words, a host and a port.
 *
 * @param leastPort - 0 where the system may choose the port, 1 where it cannot
 * @throws InvalidArgumentError for anything else
 */
export function parsePlace(words: readonly string[], leastPort: 0 | 1): Place {
  if (words.length === 0)
    throw new InvalidArgumentError(
      "expected where: a port, host:port, [v6]:port, or a host and a port",
    );
  const [first = "", second, ...rest] = words;
  if (rest.length > 0)
    throw new InvalidArgumentError(`expected [host] <port>, but got ${String(words.length)} words`);
  if (second !== undefined) return { host: parseHost(first), port: parsePort(second, leastPort) };
  const bracketed = /^\[([^\]]*)\]:(.*)$/.exec(first);
  if (bracketed !== null)
    return {
      host: parseHost(`[${bracketed[1] ?? ""}]`),
      port: parsePort(bracketed[2] ?? "", leastPort),
    };
  const colon = first.lastIndexOf(":");
  if (colon < 0) {
    if (words.length === 1 && first !== "" && !/^\d+$/.test(first))
      throw new InvalidArgumentError(
        `${quoted(first)} is not valid: expected a port, host:port, [v6]:port, or a host and a port`,
      );
    return { host: undefined, port: parsePort(first, leastPort) };
  }
  const host = first.slice(0, colon);
  if (host.includes(":"))
    throw new InvalidArgumentError(
      `${quoted(first)} has more than one colon: write an IPv6 address in brackets, [v6]:port`,
    );
  return {
    host: host === "" ? undefined : parseHost(host),
    port: parsePort(first.slice(colon + 1), leastPort),
  };
}

/** Reads a host name or a numeric address; an IPv6 address may be in brackets. */
export function parseHost(text: string): string {
  const inner = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : undefined;
  if (inner !== undefined ? isIP(inner) === 6 : isIP(text) !== 0) return inner ?? text;
  if (inner !== undefined || !/^[^\s:[\]/@\p{Cc}]{1,255}$/u.test(text))
    throw new InvalidArgumentError(
      `host ${quoted(text)} is not valid: expected a name or an IPv4 or IPv6 address`,
    );
  // Digits and dots that are no address are read as one in an old form (inet_aton(3)) by some
  // systems and not by others: 127.1, 010.0.0.1.
  if (/^[\d.]+$/.test(text))
    throw new InvalidArgumentError(
      `host ${quoted(text)} is not valid: an IPv4 address has four numbers from 0 to 255`,
    );
  return text;
}

/** A numeric local address and perhaps a port: "192.0.2.1", "192.0.2.1:5000", "[::1]:5000", "::1". */
export function parseSource(text: string): { address: string; family: 4 | 6; port: number } {
  const [, inner, port] = /^\[([^\]]*)\](?::(.*))?$/.exec(text) ?? [];
  const [, plain, plainPort] = /^([^:]*):([^:]*)$/.exec(text) ?? [];
  const address = inner ?? plain ?? text;
  const family = isIP(address);
  if ((family !== 4 && family !== 6) || (inner !== undefined && family !== 6))
    throw new InvalidArgumentError(
      `expected a numeric address of this machine, perhaps with a port: 192.0.2.1:5000, [::1]:5000`,
    );
  const portText = port ?? plainPort;
  return { address, family, port: portText === undefined ? 0 : parsePort(portText) };
}

/** Reads a multicast membership: "group", "group%interface", "source@group%interface". */
export function parseMembership(text: string): {
  group: string;
  source?: string;
  interface?: string;
} {
  const [, source, group = "", name] = /^(?:([^@%]+)@)?([^@%]+)(?:%([^@]+))?$/.exec(text) ?? [];
  const family = isIP(group);
  if (!isMulticast(group) || (source !== undefined && isIP(source) !== family))
    throw new InvalidArgumentError(
      "expected a multicast group, such as 239.1.2.3, 239.1.2.3%eth0 or 192.0.2.1@232.1.2.3",
    );
  return {
    group,
    ...(source !== undefined && { source }),
    ...(name !== undefined && { interface: name }),
  };
}

/** 224.0.0.0/4 (RFC 5771) or ff00::/8 (RFC 4291, section 2.7). */
export function isMulticast(address: string): boolean {
  if (isIP(address) === 4) return Number(address.split(".")[0]) >> 4 === 14;
  return isIP(address) === 6 && /^ff/i.test(address) && address.indexOf(":") === 4;
}

/** Text from the command line as it is shown in a message, without what may be the password of a URL. */
function quoted(text: string): string {
  return `'${text.replace(/^.*@/s, "…@")}'`;
}

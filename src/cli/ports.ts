import { readFileSync } from "node:fs";
import { InvalidArgumentError } from "commander";

/** Where this system lists its services (services(5)). */
const servicesPath =
  process.platform === "win32"
    ? `${process.env["SystemRoot"] ?? "C:\\Windows"}\\System32\\drivers\\etc\\services`
    : "/etc/services";

/** The services that people name most (IANA), for systems without a list. */
const wellKnown: Record<string, number> = {
  ftp: 21,
  ssh: 22,
  telnet: 23,
  smtp: 25,
  domain: 53,
  http: 80,
  pop3: 110,
  ntp: 123,
  imap: 143,
  imap2: 143,
  snmp: 161,
  ldap: 389,
  https: 443,
  submission: 587,
  ldaps: 636,
  imaps: 993,
  pop3s: 995,
  mysql: 3306,
  postgresql: 5432,
  redis: 6379,
};

/**
 * Reads ports as a scan takes them: "80", "1-1024", "https", or several with commas.
 *
 * @returns each port once, the lowest first
 * @throws InvalidArgumentError saying what was expected
 */
export function parsePorts(words: readonly string[], transport: "tcp" | "udp"): number[] {
  const ports = new Set<number>();
  for (const word of words.flatMap((each) => each.split(","))) {
    const [first, last] = rangeOf(word, transport);
    for (let port = first; port <= last; port++) ports.add(port);
  }
  return [...ports].toSorted((a, b) => a - b);
}

function rangeOf(word: string, transport: "tcp" | "udp"): [number, number] {
  const [, low = "", , high] = /^(\d{1,5})(-(\d{1,5}))?$/.exec(word) ?? [];
  if (low === "") {
    const port = servicePort(word, transport);
    return [port, port];
  }
  const [first, last] = [Number(low), Number(high ?? low)];
  if (first < 1 || last > 65535 || first > last)
    throw new InvalidArgumentError(
      `'${word}' is not valid: expected a port from 1 to 65535, or a range such as 1-1024`,
    );
  return [first, last];
}

function servicePort(name: string, transport: "tcp" | "udp"): number {
  if (/^[a-z][a-z0-9_.+-]*$/i.test(name)) {
    const port = services(transport).get(name.toLowerCase());
    if (port !== undefined) return port;
  }
  throw new InvalidArgumentError(
    `'${name}' is not valid: expected ports such as 22, 1-1024 or 80,443, or services such as https`,
  );
}

const lists = new Map<string, Map<string, number>>();

function services(transport: "tcp" | "udp"): Map<string, number> {
  const known = lists.get(transport);
  if (known !== undefined) return known;
  const list = new Map(Object.entries(wellKnown));
  for (const line of servicesText().split("\n")) {
    const [, name, port, of, aliases = ""] = /^\s*([^\s#]+)\s+(\d+)\/(\w+)([^#]*)/.exec(line) ?? [];
    if (name === undefined || of !== transport) continue;
    for (const each of [name, ...aliases.trim().split(/\s+/)])
      if (each !== "") list.set(each.toLowerCase(), Number(port));
  }
  lists.set(transport, list);
  return list;
}

function servicesText(): string {
  try {
    return readFileSync(servicesPath, "utf8");
  } catch {
    return "";
  }
}

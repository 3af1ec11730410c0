import { spawnSync } from "node:child_process";
import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
} from "node:fs";
import { networkInterfaces } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type TestFunction, test } from "vitest";
import { Running, type StartOptions } from "./tool.ts";

/** The programs of others that interoperation is tested with, and the Debian packages they are in. */
const packages = {
  nc: "netcat-openbsd",
  ncat: "ncat",
  socat: "socat",
  curl: "curl",
  openssl: "openssl",
  danted: "dante-server",
  microsocks: "microsocks",
  tinyproxy: "tinyproxy",
  squid: "squid",
  "systemd-socket-activate": "systemd",
  nginx: "nginx-light",
  "redis-server": "redis-server",
  postgres: "postgresql",
  initdb: "postgresql",
  dnsmasq: "dnsmasq-base",
  nmap: "nmap",
};

export type Program = keyof typeof packages;

const paths = new Map<Program, string | undefined>();

/** Where a program is on this machine, or undefined. `nc` is OpenBSD's and no other. */
function pathOf(program: Program): string | undefined {
  if (!paths.has(program))
    paths.set(program, program === "nc" ? openbsdNetcat() : onThePath(program));
  return paths.get(program);
}

function openbsdNetcat(): string | undefined {
  const named = onThePath("nc.openbsd");
  if (named !== undefined) return named;
  const nc = onThePath("nc");
  if (nc === undefined) return undefined;
  return spawnSync(nc, ["-h"], { encoding: "utf8" }).stderr.includes("OpenBSD") ? nc : undefined;
}

function onThePath(name: string): string | undefined {
  // Where Debian has servers, which is not on the path of every user.
  const servers = ["/usr/sbin", ...postgresqlFolders()];
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...servers];
  const candidates = folders.map((each) => join(each, name));
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Debian has a folder for each version. */
function postgresqlFolders(): string[] {
  const folder = "/usr/lib/postgresql";
  return existsSync(folder) ? readdirSync(folder).map((each) => join(folder, each, "bin")) : [];
}

/**
 * A test that needs programs of others. Where one is missing it is skipped, and its name says why;
 * where the environment variable CI is set it fails instead. Not Linux: skipped, for these are
 * Debian's programs, and what they listen on is read from /proc.
 */
export function testWith(programs: readonly Program[], name: string, body: TestFunction): void {
  if (process.platform !== "linux") return test.skip(`${name} (Linux only)`, body);
  const missing = programs.filter((each) => pathOf(each) === undefined);
  if (missing.length === 0) return test(name, body);
  const from = missing.map((each) => packages[each]).join(", ");
  const why = `${missing.join(", ")} is missing; install ${from}`;
  if (!process.env["CI"]) return test.skip(`${name} (${why})`, body);
  test(name, () => {
    throw new Error(why);
  });
}

export function start(program: Program, args: readonly string[], options?: StartOptions): Running {
  const path = pathOf(program);
  if (path === undefined) throw new Error(`${program} is not on this machine`);
  return new Running(path, args, options);
}

export const hasIPv6 = Object.values(networkInterfaces())
  .flat()
  .some((each) => each?.address === "::1");

/** Where a stream is listened on. Port 0 is chosen by the system; "@name" is an abstract path. */
export type Place =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** What a peer does with the stream. One that only sends or receives is told so. */
export type Way = "sends" | "receives" | "both";

export interface StreamPeer {
  readonly program: "nc" | "ncat" | "socat";
  /** Its arguments as a listener and as a client; with these it ends by itself. */
  readonly listen: (place: Place, way: Way) => string[];
  readonly connect: (place: Place, way: Way) => string[];
}

const netcatPlace = (place: Place) =>
  place.kind === "unix" ? ["-U", place.path] : [place.host, String(place.port)];

/** -N: send an end at the end of stdin. -d: no stdin, without which a client waits for its end. */
const ncWay = { sends: ["-N"], receives: ["-d"], both: ["-N"] };
const ncatWay = { sends: ["--send-only"], receives: ["--recv-only"], both: [] };

function socatAddress(role: "LISTEN" | "CONNECT", place: Place): string {
  if (place.kind === "unix")
    return place.path.startsWith("@")
      ? `ABSTRACT-${role}:${place.path.slice(1)}`
      : `UNIX-${role}:${place.path}`;
  const [family, host] = place.host.includes(":") ? [6, `[${place.host}]`] : [4, place.host];
  return role === "LISTEN"
    ? `TCP${String(family)}-LISTEN:${String(place.port)},bind=${host}`
    : `TCP${String(family)}:${host}:${String(place.port)}`;
}

/** -t: how long to go on when one side has ended. */
const socatArgs = (address: string, way: Way) =>
  ({
    sends: ["-u", "-", address],
    receives: ["-u", address, "-"],
    both: ["-t", "30", "-", address],
  })[way];

export const streamPeers: readonly StreamPeer[] = [
  {
    program: "nc",
    listen: (place, way) => [...ncWay[way], "-l", ...netcatPlace(place)],
    connect: (place, way) => [...ncWay[way], ...netcatPlace(place)],
  },
  {
    program: "ncat",
    listen: (place, way) => [...ncatWay[way], "-l", ...netcatPlace(place)],
    connect: (place, way) => [...ncatWay[way], ...netcatPlace(place)],
  },
  {
    program: "socat",
    listen: (place, way) => socatArgs(socatAddress("LISTEN", place), way),
    connect: (place, way) => socatArgs(socatAddress("CONNECT", place), way),
  },
];

/** Waits until a started peer listens, and tells where: with the port that the system chose. */
export async function whenListening<At extends Place>(peer: Running, at: At): Promise<At> {
  if (at.kind === "tcp") return { ...at, port: await portOf(peer, "tcp") };
  await untilFound(peer, () => {
    // Num RefCount Protocol Flags Type St Inode Path; the flag is __SO_ACCEPTCON.
    const rows = rowsOf(peer, "unix");
    return rows.some((row) => row[3] === "00010000" && row[7] === at.path) || undefined;
  });
  return at;
}

/** Waits until a started peer listens (TCP) or is bound (UDP), and tells its port. */
export function portOf(peer: Running, transport: "tcp" | "udp"): Promise<number> {
  return untilFound(peer, () => {
    const inodes = inodesOf(peer);
    const rows = [...rowsOf(peer, transport), ...rowsOf(peer, `${transport}6`)];
    // sl local_address rem_address st …; inode is the tenth, and 0A the state of a TCP listener.
    const own = rows.find(
      (row) => inodes.has(row[9] ?? "") && (transport === "udp" || row[3] === "0A"),
    );
    const port = own?.[1]?.split(":")[1];
    return port === undefined ? undefined : parseInt(port, 16);
  });
}

async function untilFound<T>(peer: Running, look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    if (peer.child.exitCode !== null || peer.child.signalCode !== null)
      throw new Error(`the peer ended before it listened; stderr:\n${peer.stderr}`);
    await sleep(10);
  }
}

function rowsOf({ child }: Running, table: string): string[][] {
  try {
    const text = readFileSync(`/proc/${String(child.pid)}/net/${table}`, "utf8");
    return text.split("\n").map((line) => line.trim().split(/\s+/));
  } catch {
    return [];
  }
}

function inodesOf({ child }: Running): Set<string> {
  const folder = `/proc/${String(child.pid)}/fd`;
  try {
    const links = readdirSync(folder).map((each) => readlinkSync(join(folder, each)));
    return new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
  } catch {
    return new Set();
  }
}

import { execFileSync, spawnSync } from "node:child_process";
import { complain } from "./report.ts";

export const toolNames = ["portcat", "nc", "ncat", "socat"] as const;
export type ToolName = (typeof toolNames)[number];
export type PeerName = Exclude<ToolName, "portcat">;

/** A tool as it is on this machine. */
export interface Tool {
  /** What stands for its name in a command line. */
  argv: string[];
  version: string;
}

/** The tools that are here, and why others are not. */
export type Tools = Record<ToolName, Tool | { missing: string }>;

interface Peer {
  package: string;
  /** Names of the program, the preferred one first. */
  programs: string[];
  versionArguments: string[];
  /** Finds the version in what the program says. */
  version: RegExp;
}

const peers: Record<PeerName, Peer> = {
  // Debian's `nc` may also be netcat-traditional, which is another program.
  nc: {
    package: "netcat-openbsd",
    programs: ["nc.openbsd", "nc"],
    versionArguments: ["-h"],
    version: /OpenBSD netcat.*/,
  },
  ncat: {
    package: "ncat",
    programs: ["ncat"],
    versionArguments: ["--version"],
    version: /Ncat: Version [\d.]+/,
  },
  socat: {
    package: "socat",
    programs: ["socat"],
    versionArguments: ["-V"],
    version: /socat version [\d.]+/,
  },
};

function run(argv: string[]): string | undefined {
  const { error, stdout, stderr } = spawnSync(argv[0] ?? "", argv.slice(1), { encoding: "utf8" });
  return error ? undefined : stdout + stderr;
}

function findPeer({ programs, versionArguments, version }: Peer): Tool | undefined {
  for (const program of programs) {
    const found = version.exec(run([program, ...versionArguments]) ?? "")?.[0];
    if (found !== undefined) return { argv: [program], version: found };
  }
  return undefined;
}

/** Installs a peer with apt-get, where that can be done; true if apt-get says it did. */
function installPackage(name: string): boolean {
  if (process.getuid?.() !== 0 || run(["apt-get", "--version"]) === undefined) return false;
  complain(`installing ${name}`);
  try {
    execFileSync("apt-get", ["install", "-y", name], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/**
 * Finds all tools and asks for their versions.
 *
 * @param install - installs missing peers, where this is root's machine
 */
export function findTools(node: string, portcat: string, install: boolean): Tools {
  const version = run([node, portcat, "--version"])?.trim() ?? "";
  const found = (name: PeerName) => {
    const peer = peers[name];
    const here = findPeer(peer);
    if (here) return here;
    const missing = install ? "not installed, and not installable here" : "not installed";
    const installed = install && installPackage(peer.package) ? findPeer(peer) : undefined;
    if (!installed)
      complain(`${peer.package} is ${missing}${install ? "" : "; --install does it with apt-get"}`);
    return installed ?? { missing };
  };
  return {
    portcat: /^\d+\.\d+/.test(version)
      ? { argv: [node, portcat], version: `portcat ${version}` }
      : { missing: `does not run: ${version.split("\n", 1)[0] ?? ""}` },
    nc: found("nc"),
    ncat: found("ncat"),
    socat: found("socat"),
  };
}

/** Puts values into a command line: "nc 127.0.0.1 PORT" and { PORT: "9000" }. Its words have no spaces. */
export function fillIn(commandLine: string, values: Record<string, string>): string[] {
  return commandLine
    .split(" ")
    .map((word) => word.replaceAll(/\b(?:PORT|PATH|CERT|KEY)\b/g, (name) => values[name] ?? name));
}

/** True if a program can be started here. */
export function isInstalled(...argv: string[]): boolean {
  return run(argv) !== undefined;
}

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { complain } from "./report.ts";

export const toolNames = [
  "portcat",
  "nc",
  "ncat",
  "socat",
  "nmap",
  "wait-on",
  "wait-port",
] as const;
export type ToolName = (typeof toolNames)[number];
export type PeerName = Exclude<ToolName, "portcat">;

/** Something for each tool that has a part in it; portcat always has. */
export type OfTools<Thing> = { portcat: Thing } & Partial<Record<PeerName, Thing>>;

/** A tool as it is on this machine. */
export interface Tool {
  /** What stands for its name in a command line. */
  argv: string[];
  version: string;
}

/** The tools that are here, and why others that were looked for are not. */
export type Tools = OfTools<Tool | { missing: string }>;

interface Peer {
  package: string;
  installer: "apt-get" | "npm";
  find: (node: string) => Tool | undefined;
  /** Throws if it cannot be. */
  install: () => void;
}

/**
 * A peer from Debian.
 *
 * @param programs - names of the program, the preferred one first
 * @param versionArgument - what makes it say its version
 * @param version - finds it in what the program says
 */
function fromDebian(
  name: string,
  programs: string[],
  versionArgument: string,
  version: RegExp,
): Peer {
  return {
    package: name,
    installer: "apt-get",
    find: () => {
      for (const program of programs) {
        const found = version.exec(run([program, versionArgument]) ?? "")?.[0];
        if (found !== undefined) return { argv: [program], version: found };
      }
      return undefined;
    },
    install: () => {
      if (process.getuid?.() !== 0) throw new Error("not root");
      execFileSync("apt-get", ["install", "-y", name], { stdio: "ignore" });
    },
  };
}

/** Packages that are compared with, and are no dependencies of ours: `npm ci` takes them away with the rest. */
const packages = join(__dirname, "../node_modules/.cache/portcat-bench");

/** A peer from npm, run by the Node that runs portcat. */
function fromNpm(name: string, major: number): Peer {
  const home = join(packages, "node_modules", name);
  return {
    package: name,
    installer: "npm",
    find: (node) => {
      try {
        const { version, bin } = JSON.parse(readFileSync(join(home, "package.json"), "utf8")) as {
          version: string;
          bin: Record<string, string>;
        };
        return { argv: [node, join(home, bin[name] ?? "")], version: `${name} ${version}` };
      } catch {
        return undefined;
      }
    },
    install: () => {
      mkdirSync(packages, { recursive: true });
      const options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", packages];
      execFileSync("npm", ["install", ...options, `${name}@${String(major)}`], { stdio: "ignore" });
    },
  };
}

const peers: Record<PeerName, Peer> = {
  // Debian's `nc` may also be netcat-traditional, which is another program.
  nc: fromDebian("netcat-openbsd", ["nc.openbsd", "nc"], "-h", /OpenBSD netcat.*/),
  ncat: fromDebian("ncat", ["ncat"], "--version", /Ncat: Version [\d.]+/),
  socat: fromDebian("socat", ["socat"], "-V", /socat version [\d.]+/),
  nmap: fromDebian("nmap", ["nmap"], "--version", /Nmap version [\d.]+/),
  "wait-on": fromNpm("wait-on", 9),
  "wait-port": fromNpm("wait-port", 1),
};

function run(argv: string[]): string | undefined {
  const { error, stdout, stderr } = spawnSync(argv[0] ?? "", argv.slice(1), { encoding: "utf8" });
  return error ? undefined : stdout + stderr;
}

/** Installs a peer, where that can be done; true if its installer says it did. */
function hasInstalled(peer: Peer): boolean {
  complain(`installing ${peer.package}`);
  try {
    peer.install();
    return true;
  } catch {
    return false;
  }
}

function findPeer(peer: Peer, node: string, install: boolean): Tool | { missing: string } {
  const here = peer.find(node);
  if (here) return here;
  const installed = install && hasInstalled(peer) ? peer.find(node) : undefined;
  if (installed) return installed;
  const missing = install ? "not installed, and not installable here" : "not installed";
  const how = install ? "" : `; --install does it with ${peer.installer}`;
  complain(`${peer.package} is ${missing}${how}`);
  return { missing };
}

/**
 * Finds portcat and those peers, and asks for their versions.
 *
 * @param names - the tools that will be needed
 * @param install - installs missing peers, with apt-get where this is root's machine
 */
export function findTools(
  names: readonly ToolName[],
  node: string,
  portcat: string,
  install: boolean,
): Tools {
  const version = run([node, portcat, "--version"])?.trim() ?? "";
  const tools: Tools = {
    portcat: /^\d+\.\d+/.test(version)
      ? { argv: [node, portcat], version: `portcat ${version}` }
      : { missing: `does not run: ${version.split("\n", 1)[0] ?? ""}` },
  };
  for (const name of names)
    if (name !== "portcat") tools[name] = findPeer(peers[name], node, install);
  return tools;
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

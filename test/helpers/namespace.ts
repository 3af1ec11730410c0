import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { bin, Running, type StartOptions, temporaryFolder } from "./tool.ts";

const works = (flags: string, probe: string): boolean =>
  process.platform === "linux" &&
  spawnSync("unshare", [flags, "sh", "-ec", probe], { stdio: "ignore" }).status === 0;

const allowed = (probe: string, ...candidates: string[]) =>
  candidates.find((flags) => works(flags, probe));

const ownFiles = allowed("mount --bind /etc/hosts /etc/hosts", "-m", "-rm");

/** A network of its own, whose one neighbour, 192.0.2.53, never answers. */
const silentNetwork = [
  "ip link set lo up",
  "ip link add v0 type veth peer name v1",
  "ip address add 192.0.2.1/24 dev v0",
  "ip link set v0 up",
  "ip link set v1 up",
  "ip neighbour add 192.0.2.53 lladdr 02:00:00:00:00:53 dev v0",
].join("\n");

const ownNetwork = allowed(silentNetwork, "-mn", "-rmn");

/** Whether this system lets us have an /etc/hosts of our own. */
export const hostsCanBeReplaced = ownFiles !== undefined;
/** Whether this system lets us have a network of our own. */
export const networkCanBeSilent = ownNetwork !== undefined;

/** Starts portcat where the names of /etc/hosts are these. */
export function portcatWithHosts(hosts: string, args: readonly string[]): Running {
  return portcatWithHostsFile(fileOf(hosts), args);
}

/** Starts portcat where the names of /etc/hosts are those of this file, which may change meanwhile. */
export function portcatWithHostsFile(path: string, args: readonly string[]): Running {
  const setup = `[ -e /etc/hosts ]\nmount --bind '${path}' /etc/hosts`;
  return portcatIn(ownFiles ?? "", setup, args);
}

/** Starts portcat in a network of its own, where these are the only ports that the system may choose. */
export function portcatWithPorts(
  [first, last]: readonly [number, number],
  args: readonly string[],
): Running {
  const range = `echo ${String(first)} ${String(last)} >/proc/sys/net/ipv4/ip_local_port_range`;
  return portcatIn(ownNetwork ?? "", `${silentNetwork}\n${range}`, args);
}

/** Starts portcat where the name server is silent, and is given up after so many seconds. */
export function portcatWithSilentResolver(seconds: number, args: readonly string[]): Running {
  const setup = [
    silentNetwork,
    replaced(
      "/etc/resolv.conf",
      `nameserver 192.0.2.53\noptions timeout:${String(seconds)} attempts:1\n`,
    ),
    replaced("/etc/nsswitch.conf", "hosts: files dns\n"),
  ];
  return portcatIn(ownNetwork ?? "", setup.join("\n"), args);
}

/** Runs a script for the shell in a network of its own, where all ports are free and "$@" is portcat. */
export function inOwnNetwork(script: string, options?: StartOptions): Running {
  const setup = `${silentNetwork}\n${script}`;
  const args = [ownNetwork ?? "", "sh", "-ec", setup, "sh", process.execPath, bin];
  return new Running("unshare", args, options);
}

/** `exec` keeps the process id, so that signals go to portcat. */
function portcatIn(flags: string, setup: string, args: readonly string[]): Running {
  const script = `${setup}\nexec "$@"`;
  return new Running("unshare", [flags, "sh", "-ec", script, "sh", process.execPath, bin, ...args]);
}

const replaced = (path: string, content: string) => `mount --bind '${fileOf(content)}' ${path}`;

function fileOf(content: string): string {
  const path = join(temporaryFolder(), "file");
  writeFileSync(path, content);
  return path;
}

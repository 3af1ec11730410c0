import { execFileSync } from "node:child_process";
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, onTestFinished } from "vitest";
import { freeAddress } from "./activation.ts";
import type { Issued } from "./certificates.ts";
import { portOf, start, whenListening } from "./peers.ts";
import { holdUp } from "./processes.ts";
import { type Running, temporaryFolder } from "./tool.ts";

/** A program of others that comes and goes during a test, always at the same place. */
export interface Service {
  /** Starts it, and waits until it listens. */
  start(): Promise<void>;
  /** Ends it, and waits until it has ended. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /**
   * Holds it up: the system takes connections and datagrams for it, and nobody answers.
   *
   * @returns what lets it go on
   */
  hold(): Promise<() => void>;
}

/**
 * @param launch - starts the program
 * @param listens - waits until it is there for clients
 * @param farewell - the signal that ends it at once, and leaves nothing behind
 */
function service(
  launch: () => Running,
  listens: (running: Running) => Promise<unknown>,
  farewell: NodeJS.Signals = "SIGTERM",
): Service {
  let running: Running | undefined;
  const current = (): Running => {
    if (running === undefined) throw new Error("the service was not started");
    return running;
  };
  const stop = async (signal = farewell) => {
    const { child, ended } = current();
    child.kill(signal);
    child.kill("SIGCONT");
    await ended;
  };
  return {
    stop,
    hold: () => holdUp(current()),
    start: async () => {
      running = launch();
      onTestFinished(() => stop());
      await listens(running);
    },
  };
}

const isRoot = process.getuid?.() === 0;
/** Debian's nobody, for what refuses to run as root. */
const nobody = 65534;

/** A Redis, at a TCP port and a UNIX socket. */
export async function redis(...flags: string[]) {
  const folder = temporaryFolder();
  const { host, port } = await freeAddress();
  const path = join(folder, "redis.sock");
  const args = [
    ...["--bind", host, "--port", String(port), "--unixsocket", path, "--dir", folder],
    ...["--save", "", "--appendonly", "no", ...flags],
  ];
  const launch = () => start("redis-server", args, { stdin: "null" });
  const listens = async (server: Running) => {
    await portOf(server, "tcp");
    await whenListening(server, { kind: "unix", path });
  };
  return { service: service(launch, listens), host, port, path };
}

const postgresqlUser = { stdin: "null" as const, ...(isRoot && { uid: nobody }) };

let emptyDatabase: Promise<string> | undefined;
afterAll(async () => {
  if (emptyDatabase !== undefined) rmSync(await emptyDatabase, { recursive: true, force: true });
});

/** Makes the files of an empty database, which takes most of a second. */
async function makeDatabase(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "portcat-"));
  if (isRoot) chownSync(folder, nobody, nobody);
  const args = ["-D", join(folder, "data"), "--auth=trust", "--no-locale", "--wal-segsize=1"];
  const { code, stderr } = await start("initdb", [...args, "--no-sync"], postgresqlUser).ended;
  if (code !== 0) throw new Error(`initdb failed:\n${stderr}`);
  return folder;
}

/** A PostgreSQL with an empty database, at a TCP port and a UNIX socket. */
export async function postgresql() {
  const folder = temporaryFolder();
  emptyDatabase ??= makeDatabase();
  // With its owner, which it insists on.
  execFileSync("cp", ["-a", `${await emptyDatabase}/.`, folder]);
  const data = join(folder, "data");
  const { host, port } = await freeAddress();
  const args = ["-D", data, "-h", host, "-p", String(port), "-k", folder, "-F"];
  const launch = () => start("postgres", args, postgresqlUser);
  const listens = (server: Running) => server.says(/ready to accept connections/);
  const path = join(folder, `.s.PGSQL.${String(port)}`);
  return { service: service(launch, listens, "SIGINT"), host, port, path };
}

/** An nginx with a folder of files, at a TCP port and a UNIX socket, and with TLS at another port. */
export async function nginx(tls: Issued) {
  const folder = temporaryFolder();
  const root = join(folder, "root");
  for (const each of [root, join(folder, "temp")]) mkdirSync(each, { mode: 0o777 });
  const { host, port } = await freeAddress();
  const secure = await freeAddress();
  const path = join(folder, "nginx.sock");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((each) => `${each}_temp_path ${folder}/temp;`)
    .join(" ");
  const config = `
    ${isRoot ? "user root;" : ""}
    daemon off; master_process off; pid ${folder}/pid; error_log stderr notice;
    events { worker_connections 64; }
    http {
      access_log off; ${temporary}
      server {
        listen ${host}:${String(port)};
        listen unix:${path};
        listen ${secure.host}:${String(secure.port)} ssl;
        ssl_certificate ${tls.certFile}; ssl_certificate_key ${tls.keyFile};
        root ${root};
        location /health { try_files $uri =503; }
      }
    }`;
  writeFileSync(join(folder, "nginx.conf"), config);
  const args = ["-e", "stderr", "-p", folder, "-c", join(folder, "nginx.conf")];
  const launch = () => start("nginx", args, { stdin: "null" });
  // It says so when all of its sockets listen.
  const listens = (server: Running) => server.says(/using the "\w+" event method/);
  return {
    service: service(launch, listens),
    root,
    origin: `http://${host}:${String(port)}`,
    secure,
    path,
  };
}

/** A name server of one's own names, at a UDP and a TCP port. */
export async function dnsmasq(...names: string[]) {
  const { host, port } = await freeAddress();
  const args = [
    ...["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"],
    ...["--bind-interfaces", `--listen-address=${host}`, `--port=${String(port)}`],
    ...names,
  ];
  const launch = () => start("dnsmasq", args, { stdin: "null" });
  return { service: service(launch, (server) => portOf(server, "udp")), host, port };
}

/** A question for the name server, as `--send` takes bytes: the address of "ready.test" (RFC 1035). */
export const dnsQuery = String.raw`\x70\x63\x01\0\0\x01\0\0\0\0\0\0\x05ready\x04test\0\0\x01\0\x01`;

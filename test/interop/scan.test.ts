import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, expect, onTestFinished } from "vitest";
import { udpPeer } from "../helpers/datagrams.ts";
import { fullListener } from "../helpers/full-listener.ts";
import { inOwnNetwork, networkCanBeSilent } from "../helpers/namespace.ts";
import { portOf, type Program, start, testWith } from "../helpers/peers.ts";
import { postgresql, redis } from "../helpers/services.ts";
import { connectPeer, startServer } from "../helpers/sockets.ts";
import { portcat, temporaryFolder, Tool } from "../helpers/tool.ts";

const host = "127.0.0.1";

type State = "open" | "closed" | "no answer";
type States = Record<number, State>;

/** What portcat finds; the keys are in order. */
async function states(ports: readonly number[], ...flags: string[]): Promise<States> {
  const tool = new Tool(["scan", host, ...ports.map(String), "-w", "500ms", ...flags]);
  const { stdout } = await tool.ended;
  const lines = stdout.toString().trim().split("\n");
  const answers = lines.map((line) => JSON.parse(line) as { port: number; state: State });
  return Object.fromEntries(answers.map(({ port, state }) => [port, state]));
}

const nmapStates: Record<string, State> = {
  open: "open",
  closed: "closed",
  filtered: "no answer",
  "open|filtered": "no answer",
};

/** What nmap finds. */
async function nmap(ports: readonly number[], ...flags: string[]): Promise<States> {
  const args = ["-Pn", "-n", "-p", ports.join(), "-oG", "-", "--host-timeout", "20s", ...flags];
  const { stdout } = await start("nmap", [...args, host], { stdin: "null" }).ended;
  const found = stdout.toString().matchAll(/(\d+)\/([a-z|]+)\//g);
  return Object.fromEntries(
    [...found].map(([, port, state = ""]) => [Number(port), nmapStates[state] ?? "no answer"]),
  );
}

/** Ports of known states: three that are open, two that are closed, one that keeps silent. */
async function tcpPorts(): Promise<States> {
  const open = [await startServer(), await startServer(), await startServer()];
  const [one, other] = open.map(({ port }) => port);
  const closed = [await clientPort(one), await clientPort(other)];
  return Object.fromEntries<State>([
    ...open.map(({ port }) => [port, "open"] as const),
    ...closed.map((port) => [port, "closed"] as const),
    [await fullListener(), "no answer"],
  ]);
}

/** A port that nobody listens on, nor can as long as a client has it. */
async function clientPort(port = 0): Promise<number> {
  const { socket } = await connectPeer({ host, port });
  return socket.localPort ?? 0;
}

/** The same of UDP: a socket that is connected takes nothing from others. */
async function connectedUdpPort(): Promise<number> {
  const socket = createSocket("udp4");
  onTestFinished(() => void socket.close());
  socket.connect(9, host);
  await once(socket, "connect");
  return socket.address().port;
}

const portsOf = (known: States) => Object.keys(known).map(Number);

/** What is open, and what is not, as a program says that asks one port. */
async function openOnes(known: States, program: Program, ...flags: string[]) {
  const asked = portsOf(known).map(async (port) => {
    const args = ["-z", ...flags, host, String(port)];
    const { code } = await start(program, args, { stdin: "null" }).ended;
    return [port, code === 0] as const;
  });
  return Object.fromEntries(await Promise.all(asked));
}

describe("scan", () => {
  for (const [program, ...flags] of [
    ["nc", "-n", "-w", "1"],
    ["ncat", "-n", "-w", "1"],
  ] as const)
    testWith([program], `finds the same ports open as ${program} -z`, async () => {
      const known = await tcpPorts();
      const found = await states(portsOf(known));
      expect(found).toEqual(known);
      const open = Object.entries(found).map(([port, state]) => [port, state === "open"]);
      expect(await openOnes(known, program, ...flags)).toEqual(Object.fromEntries(open));
    });

  testWith(["nmap"], "finds ports open, closed and silent as nmap -sT does", async () => {
    const known = await tcpPorts();
    const found = await states(portsOf(known));
    expect(found).toEqual(known);
    expect(await nmap(portsOf(known), "-sT", "--max-retries", "0")).toEqual(found);
  });

  const isRoot = process.getuid?.() === 0;
  const rights = isRoot ? "" : " (root only)";
  testWith(
    ["nmap"],
    `finds UDP ports open, closed and silent as nmap -sU does${rights}`,
    async ({ skip }) => {
      skip(!isRoot, "nmap -sU is for root");
      const [echo, silent] = [await udpPeer(), await udpPeer()];
      echo.socket.on("message", (bytes, from) => echo.socket.send(bytes, from.port, host));
      const known: States = {
        [echo.port]: "open",
        [silent.port]: "no answer",
        [await connectedUdpPort()]: "closed",
      };
      expect(await states(portsOf(known), "--udp")).toEqual(known);
      expect(await nmap(portsOf(known), "-sU", "--max-retries", "1")).toEqual(known);
    },
  );

  testWith(
    ["nmap", "redis-server", "dnsmasq"],
    "finds what nmap does among 10,000 ports, and that port 53 of UDP answers",
    async ({ skip }) => {
      skip(!networkCanBeSilent, "this system gives us no network of our own");
      // What is started dies with the shell.
      const network = inOwnNetwork(
        `PATH=$PATH:/usr/sbin
        owned() { setpriv --pdeathsig KILL "$@" >/dev/null 2>&1 & }
        owned redis-server --save "" --port 6379
        owned dnsmasq --no-daemon --conf-file=/dev/null --no-resolv --no-hosts
        "$@" wait -q ${host}:6379 udp:${host}:53 ${host}:53 --timeout 20s
        "$@" scan ${host} 1-10000 --any --open-only -q
        "$@" scan ${host} 53,123 --udp --any -q
        nmap -n -Pn -sT -p 1-10000 -oG - ${host}
        nmap -n -Pn -sU -p 53,123 -oG - ${host}`,
        { cwd: temporaryFolder(), stdin: "null" },
      );
      const { code, stdout, stderr } = await network.ended;
      expect([code, stderr]).toEqual([0, ""]);
      const text = stdout.toString();
      expect(text).toMatch(/^53 open\n6379 open\n53 open\n123 closed\n#/);
      const lists = [...text.matchAll(/\tPorts: ([^\t\n]+)/g)].map(([, list = ""]) =>
        [...list.matchAll(/(\d+)\/(\w+)\/(\w+)/g)].map(([found]) => found),
      );
      expect(lists).toEqual([
        ["53/open/tcp", "6379/open/tcp"],
        ["53/open/udp", "123/closed/udp"],
      ]);
    },
  );
});

describe("scan --banner", () => {
  const banners = async (ports: readonly number[], at = host) => {
    const words = ["scan", at, ...ports.map(String), "--banner", "-w", "500ms", "-q"];
    const { code, stdout } = await portcat(words, { stdin: "null" }).ended;
    expect(code).toBe(0);
    const lines = stdout.toString().trim().split("\n");
    return Object.fromEntries(
      lines.map((line) => [Number.parseInt(line), line.replace(/^\d+ /, "")] as const),
    );
  };

  testWith(["socat", "nmap"], "shows what SSH and mail servers say, as nmap does", async () => {
    const said = ["SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", "220 mail.example ESMTP Postfix"];
    const ports = await Promise.all(
      said.map((line) => {
        const address = `TCP4-LISTEN:0,bind=${host},fork`;
        return portOf(start("socat", [address, `SYSTEM:echo '${line}'; cat`]), "tcp");
      }),
    );
    const found = await banners(ports);
    expect(ports.map((port) => found[port])).toEqual(said.map((line) => `open ${line}`));
    const args = ["-n", "-Pn", "-sT", "-p", ports.join(), "--script", "banner", host];
    const { stdout } = await start("nmap", args, { stdin: "null" }).ended;
    const shown = stdout.toString().matchAll(/^(\d+)\/tcp open .*\n\|_banner: (.*)$/gm);
    const nmapBanners = [...shown].map(([, port, line]) => [port, `open ${line ?? ""}`] as const);
    expect(Object.fromEntries(nmapBanners)).toEqual(found);
  });

  testWith(["redis-server"], "shows what a Redis says that is full", async () => {
    const { service, host: at, port } = await redis("--maxclients", "1");
    await service.start();
    await connectPeer({ host: at, port });
    const full = "open -ERR max number of clients reached";
    expect(await banners([port], at)).toEqual({ [port]: full });
  });

  testWith(["postgres", "initdb"], "is without words where PostgreSQL says nothing", async () => {
    const { service, host: at, port } = await postgresql();
    await service.start();
    expect(await banners([port], at)).toEqual({ [port]: "open" });
  });
});

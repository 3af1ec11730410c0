import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { descriptorOf, silence } from "../helpers/content.ts";
import { fullListener } from "../helpers/full-listener.ts";
import { hostsCanBeReplaced, portcatWithHosts } from "../helpers/namespace.ts";
import { hasTerminals, onTerminal } from "../helpers/pseudo-terminal.ts";
import { frozenClient } from "../helpers/readers.ts";
import { connectPeer, freePort, peerOn, startServer } from "../helpers/sockets.ts";
import { bin, portcat, Running, temporaryFolder, Tool } from "../helpers/tool.ts";

const isLinux = process.platform === "linux";
const hasIPv6 = Object.values(networkInterfaces()).some((each) =>
  each?.some(({ address }) => address === "::1"),
);
const localhost = "127.0.0.1";

/** A client that sends nothing, and is told these bytes and the end. */
async function told(bytes: Buffer | string, start: (port: number) => Running): Promise<Running> {
  const { port, client } = await startServer();
  const running = start(port);
  (await client()).socket.end(bytes);
  return running;
}

const connecting = (port: number, ...options: string[]) => [
  ...["tcp", "connect", localhost, String(port)],
  ...options,
];

describe("where to listen", () => {
  test("port 0 is told as the port that the system chose, in words and as an event", async () => {
    const tool = new Tool(["tcp", "listen", localhost, "0"]);
    const human = portcat(["tcp", "listen", `${localhost}:0`]);
    const port = await tool.port();
    const [, said] = await human.says(/listening on 127\.0\.0\.1:(\d+) \(tcp\)\n/);
    for (const each of [port, Number(said)]) {
      expect(each).toBeGreaterThan(0);
      const { socket } = await connectPeer({ host: localhost, port: each });
      socket.end("x");
    }
    for (const each of [tool, human]) {
      each.stdin.end();
      expect(await each.ended).toMatchObject({ code: 0, stdout: Buffer.from("x") });
    }
    expect(tool.all("listening")).toMatchObject([
      { transport: "tcp", address: localhost, family: "IPv4" },
    ]);
    expect(tool.all("connected")).toMatchObject([{ local: { address: localhost, port } }]);
  });

  const places: {
    args: string[];
    address: string;
    family: string;
    heard: string[];
    deaf: string[];
  }[] = [
    { args: [], address: "::", family: "IPv6", heard: [localhost, "::1"], deaf: [] },
    { args: ["-4"], address: "0.0.0.0", family: "IPv4", heard: [localhost], deaf: ["::1"] },
    { args: ["-6"], address: "::", family: "IPv6", heard: ["::1"], deaf: [localhost] },
    { args: ["--local"], address: localhost, family: "IPv4", heard: [localhost], deaf: ["::1"] },
    { args: ["--local", "-6"], address: "::1", family: "IPv6", heard: ["::1"], deaf: [localhost] },
  ];
  test.skipIf(!hasIPv6).each(places)(
    "with $args it is $address, which hears $heard and not $deaf",
    async ({ args, address, family, heard, deaf }) => {
      const tool = new Tool(["tcp", "listen", "-k", "0", ...args]);
      const port = await tool.port();
      expect(tool.all("listening")).toMatchObject([{ address, family }]);
      for (const host of deaf)
        await expect(connectPeer({ host, port })).rejects.toThrow("ECONNREFUSED");
      for (const host of heard) (await connectPeer({ host, port })).socket.end(`${host}\n`);
      if (heard.length > 0) await tool.event("closed", heard.length);
      tool.child.kill("SIGTERM");
      const { code, stdout } = await tool.ended;
      expect(code).toBe(143);
      expect(stdout.toString().split("\n").sort()).toEqual(["", ...heard].sort());
      expect(
        tool
          .all("connected")
          .map((event) => event.transport !== "unix" && event.remote.address)
          .sort(),
      ).toEqual([...heard].sort());
    },
  );

  test("all interfaces are told in words, and loopback is not called so", async () => {
    const open = portcat(["tcp", "listen", "0"]);
    await open.says(/listening on \S+:\d+ \(tcp, all interfaces\)\n/);
    const local = portcat(["tcp", "listen", "--local", "0"]);
    await local.says(/listening on 127\.0\.0\.1:\d+ \(tcp\)\n/);
    for (const each of [open, local]) {
      each.child.kill("SIGINT");
      expect((await each.ended).code).toBe(130);
    }
  });

  const impossible: [string[], RegExp][] = [
    [["tcp", "listen", "--local", localhost, "0"], /--local cannot be used with a host/],
    [["tcp", "listen", "-4", "-6", "0"], /-4.*-6|ipv4.*ipv6|cannot be used with/],
    [["tcp", "listen", "-6", localhost, "0"], /127\.0\.0\.1 is an IPv4 address, but -6/],
    [["tcp", "connect", "-4", "::1", "9"], /::1 is an IPv6 address, but -4/],
    [["tcp", "connect", "--source", "::1", localhost, "9"], /--source ::1 is IPv6/],
    [["unix", "listen", "--mode", "600", "@name"], /--mode/],
  ];
  test.each(impossible)("%j is a usage error, exit code 2", async (args, message) => {
    const running = portcat(args);
    expect(await running.ended).toMatchObject({ code: 2, stdout: Buffer.alloc(0) });
    expect(running.stderr).toMatch(message);
  });

  test.skipIf(!isLinux).each([
    { args: ["--backlog", "1"], held: 2 },
    { args: [], held: 5 },
  ])("$args lets the system hold $held of 5 clients for us", async ({ args, held }) => {
    const tool = new Tool(["tcp", "listen", "-k", localhost, "0", ...args]);
    const port = await tool.port();
    tool.child.kill("SIGSTOP");
    let connected = 0;
    for (let nth = 0; nth < 5; nth++) {
      const socket = new Socket();
      onTestFinished(() => void socket.destroy());
      socket.on("error", () => undefined);
      socket.on("connect", () => connected++);
      socket.connect(port, localhost);
    }
    await silence(300);
    expect(connected).toBe(held);
    tool.child.kill("SIGCONT");
    await tool.event("connected", held);
    tool.child.kill("SIGTERM");
    expect((await tool.ended).code).toBe(143);
  });

  test("the ready file is whole whenever it is there, and nothing else is left beside it", async () => {
    const folder = temporaryFolder();
    const readyFile = join(folder, "ready");
    const tool = new Tool(["tcp", "listen", localhost, "0", "--ready-file", readyFile]);
    while (!existsSync(readyFile)) await new Promise((resolve) => setImmediate(resolve));
    const ready = JSON.parse(readFileSync(readyFile, "utf8")) as { port: number };
    const { port } = (await tool.event("listening")) as { port: number };
    expect(ready).toEqual({ transport: "tcp", address: localhost, port, family: "IPv4" });
    expect(readdirSync(folder)).toEqual(["ready"]);
    (await connectPeer({ host: localhost, port: ready.port })).socket.end("ready");
    tool.stdin.end();
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("ready") });
  });

  test("the ready file of a UNIX listener has its path", async () => {
    const folder = temporaryFolder();
    const [path, readyFile] = [join(folder, "socket"), join(folder, "ready")];
    const tool = new Tool(["unix", "listen", path, "--ready-file", readyFile]);
    while (!existsSync(readyFile)) await new Promise((resolve) => setImmediate(resolve));
    expect(JSON.parse(readFileSync(readyFile, "utf8"))).toEqual({ transport: "unix", path });
    tool.child.kill("SIGTERM");
    expect((await tool.ended).code).toBe(143);
  });

  test("a ready file that cannot be written ends the listener with 1", async () => {
    const readyFile = join(temporaryFolder(), "missing", "ready");
    const tool = new Tool(["tcp", "listen", localhost, "0", "--ready-file", readyFile]);
    expect((await tool.ended).code).toBe(1);
    expect(tool.all("error")).toMatchObject([{ code: "ENOENT", exitCode: 1 }]);
    expect(tool.all("error")[0]?.message).toContain(readyFile);
  });
});

describe("how to connect", () => {
  test.skipIf(!hostsCanBeReplaced)(
    "every address of a name is tried: a refused ::1 does not hide a listening 127.0.0.1",
    async () => {
      const { port, client } = await startServer();
      const hosts = "::1 both.test\n127.0.0.1 both.test\n";
      const tool = portcatWithHosts(hosts, ["tcp", "connect", "-v", "both.test", String(port)]);
      const peer = await client();
      peer.socket.end("answer");
      tool.stdin.end("question");
      expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("answer") });
      expect(peer.received().toString()).toBe("question");
      expect(tool.stderr).toMatch(/both\.test is .*127\.0\.0\.1/);
      expect(tool.stderr).toContain(`trying 127.0.0.1:${String(port)}\n`);
      expect(tool.stderr).toContain(`connected: 127.0.0.1:${String(port)} `);
      if (hasIPv6) expect(tool.stderr).toContain(`trying [::1]:${String(port)}\n`);
    },
  );

  test.skipIf(!hostsCanBeReplaced)(
    "where every address of a name refuses, the error names them all, code 4",
    async () => {
      const port = String(await freePort());
      const hosts = "127.0.0.2 both.test\n127.0.0.1 both.test\n";
      const tool = portcatWithHosts(hosts, ["tcp", "connect", "both.test", port]);
      expect(await tool.ended).toMatchObject({ code: 4, stdout: Buffer.alloc(0) });
      expect(tool.stderr).toMatch(
        /cannot connect to 127\.0\.0\.\d:\d+ or 127\.0\.0\.\d:\d+ \(both\.test\): connection refused \(ECONNREFUSED\)\n$/,
      );
    },
  );

  test.skipIf(!isLinux).each(["tcp", "unix"])(
    "-w gives up on a %s address that does not answer, code 5",
    async (transport) => {
      const path = transport === "unix" ? join(temporaryFolder(), "socket") : undefined;
      const port = await fullListener(path);
      const target = path === undefined ? connecting(port) : ["unix", "connect", path];
      const begun = performance.now();
      const tool = new Tool([...target, "-w", "600ms"]);
      expect(await tool.ended).toMatchObject({ code: 5, stdout: Buffer.alloc(0) });
      expect(performance.now() - begun).toBeGreaterThan(600);
      expect(tool.all("error")).toMatchObject([{ code: "ETIMEDOUT", exitCode: 5 }]);
      expect(tool.all("error")[0]?.message).toContain("no answer within 0.6 s");
    },
  );

  test.each(["tcp", "unix"])(
    "--retry tries %s again so many times, says so each time, and then fails with 4",
    async (transport) => {
      const target =
        transport === "tcp"
          ? connecting(await freePort())
          : ["unix", "connect", join(temporaryFolder(), "socket")];
      const tool = new Tool([...target, "--retry", "3", "--retry-interval", "40ms"]);
      expect(await tool.ended).toMatchObject({ code: 4, stdout: Buffer.alloc(0) });
      expect(tool.all("retry").map(({ attempt, delay }) => [attempt, delay])).toEqual([
        [1, 40],
        [2, 40],
        [3, 40],
      ]);
      const times = [...tool.all("retry"), ...tool.all("error")].map((e) => Date.parse(e.time));
      expect((times[3] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(3 * 38);
      expect(tool.all("error")).toMatchObject([{ exitCode: 4 }]);
    },
  );

  test.each(["tcp", "unix"])(
    "--retry reaches a %s server that is started later",
    async (transport) => {
      const path = join(temporaryFolder(), "socket");
      const port = await freePort();
      const target = transport === "tcp" ? connecting(port) : ["unix", "connect", path];
      const tool = new Tool([...target, "--retry", "1000", "--retry-interval", "50ms"]);
      await tool.event("retry", 2);
      const server = createServer({ allowHalfOpen: true });
      onTestFinished(() => void server.close());
      if (transport === "tcp") server.listen(port, localhost);
      else server.listen(path);
      const [socket] = (await once(server, "connection")) as [Socket];
      const peer = peerOn(socket);
      tool.stdin.end("at last");
      await peer.ended;
      peer.socket.end("welcome");
      expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("welcome") });
      expect(peer.received().toString()).toBe("at last");
      expect(tool.all("error")).toEqual([]);
    },
  );

  test.skipIf(!isLinux)("--source is the address that the server sees", async () => {
    const { port, client } = await startServer();
    const local = await freePort("127.0.0.3");
    const plain = new Tool(connecting(port, "--source", "127.0.0.2"));
    const first = await client();
    const exact = new Tool(connecting(port, "--source", `127.0.0.3:${String(local)}`));
    const second = await client();
    expect(first.socket.remoteAddress).toBe("127.0.0.2");
    expect(second.socket.remoteAddress).toBe("127.0.0.3");
    expect(second.socket.remotePort).toBe(local);
    for (const { socket } of [first, second]) socket.end("seen");
    for (const tool of [plain, exact]) {
      tool.stdin.end();
      expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("seen") });
    }
    expect(exact.all("connected")).toMatchObject([
      { local: { address: "127.0.0.3", port: local } },
    ]);
  });

  test("a --source that is not an address of this machine is code 7", async () => {
    const { port } = await startServer();
    const tool = new Tool(connecting(port, "--source", "192.0.2.1"));
    expect((await tool.ended).code).toBe(7);
    expect(tool.all("error")).toMatchObject([{ code: "EADDRNOTAVAIL", exitCode: 7 }]);
    expect(tool.all("error")[0]?.message).toContain("from 192.0.2.1");
  });

  /** The timer that Linux runs for a connection (proc(5)): 2 is that of keep-alive, 0 is none. */
  const timerOf = (local: number, remote: number) => {
    const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, "0");
    const table = readFileSync("/proc/net/tcp", "utf8");
    return new RegExp(`:${hex(local)} \\S+:${hex(remote)} 01 \\S+ (\\d\\d):`).exec(table)?.[1];
  };
  test.skipIf(!isLinux).each([
    { args: ["--keep-alive", "30s"], timer: "02", option: [{ name: "keep-alive", value: 30_000 }] },
    { args: ["--no-delay"], timer: "00", option: [{ name: "no-delay", value: true }] },
    { args: [], timer: "00", option: [] },
  ])("$args sets the system's timer $timer and says $option", async ({ args, timer, option }) => {
    const { port, client } = await startServer();
    const tool = new Tool(connecting(port, "-v", ...args));
    const peer = await client();
    await tool.event("connected");
    expect(timerOf(peer.socket.remotePort ?? 0, port)).toBe(timer);
    peer.socket.end("x");
    tool.stdin.end("y");
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("x") });
    expect(tool.all("option")).toMatchObject(option);
  });

  const nodeHasTos = "setTypeOfService" in Socket.prototype;
  test.skipIf(nodeHasTos)(
    "--tos is a usage error that says why, on a Node without it",
    async () => {
      const tool = new Tool(connecting(9, "--tos", "ef"));
      expect((await tool.ended).code).toBe(2);
      expect(tool.all("error")[0]?.message).toContain(`this is Node ${process.versions.node}`);
    },
  );

  const ssShowsTos = isLinux && /--tos/.test(String(spawnSync("ss", ["--help"]).stdout));
  test.skipIf(!nodeHasTos || !ssShowsTos)("--tos marks the packets of both roles", async () => {
    const listener = new Tool(["tcp", "listen", "-v", localhost, "0", "--tos", "af11"]);
    const port = String(await listener.port());
    const tool = new Tool(connecting(Number(port), "-v", "--tos", "46"));
    await Promise.all([listener.event("connected"), tool.event("connected")]);
    const shown = (of: string) =>
      execFileSync("ss", ["-tnH", "--tos", "state", "established", of, `:${port}`]).toString();
    expect(shown("sport")).toContain("tos:0x28");
    expect(shown("dport")).toContain("tos:0xb8");
    tool.stdin.end("x");
    listener.stdin.end("y");
    expect(await listener.ended).toMatchObject({ code: 0, stdout: Buffer.from("x") });
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("y") });
    expect(tool.all("option")).toMatchObject([{ name: "tos", value: 46 }]);
    expect(listener.all("option")).toMatchObject([{ name: "tos", value: 10 }]);
  });
});

describe("what is sent", () => {
  test("--crlf makes every line end CR LF once, also where a line end is cut in two", async () => {
    const { port, client } = await startServer();
    const tool = new Tool(connecting(port, "--crlf"));
    const peer = await client();
    tool.stdin.write("one\ntwo\r\n\n\rthree\r");
    const expected = "one\r\ntwo\r\n\r\n\rthree\r";
    while (peer.received().length < expected.length) await once(peer.socket, "data");
    tool.stdin.end("\nlast");
    await peer.ended;
    peer.socket.end("a\nb\r\n");
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("a\nb\r\n") });
    expect(peer.received().toString()).toBe(`${expected}\nlast`);
    expect(tool.all("closed")).toMatchObject([{ sent: peer.received().length }]);
  });

  test("--line-delay sends a line at a time, in order, with the delay between them", async () => {
    const { port, client } = await startServer();
    const tool = new Tool(connecting(port, "--line-delay", "120ms", "--hex"));
    const peer = await client();
    tool.stdin.end("one\ntwo\n\nfour\nno line end");
    await peer.ended;
    peer.socket.end();
    expect((await tool.ended).code).toBe(0);
    expect(peer.received().toString()).toBe("one\ntwo\n\nfour\nno line end");
    const sent = tool.all("data").filter(({ direction }) => direction === "sent");
    expect(sent.map(({ hex }) => Buffer.from(hex, "hex").toString())).toEqual([
      "one\n",
      "two\n",
      "\n",
      "four\n",
      "no line end",
    ]);
    const times = sent.map(({ time }) => Date.parse(time));
    for (const [index, time] of times.slice(1).entries())
      expect(time - (times[index] ?? 0)).toBeGreaterThanOrEqual(100);
  });
});

describe("what is said", () => {
  const row = (arrow: string, offset: string, digits: string, text: string) =>
    `${arrow} ${offset}  ${digits.padEnd(48)}  |${text}|\n`;

  test("--hex dumps both directions in rows of sixteen bytes, and stdout stays exact", async () => {
    const { port, client } = await startServer();
    const tool = portcat(connecting(port, "--hex", "-q"));
    const peer = await client();
    tool.stdin.write("hi\n");
    while (peer.received().length < 3) await once(peer.socket, "data");
    const answer = Buffer.from("ABCDEFGHIJKLMNOP\x00\x1b~\xff", "latin1");
    peer.socket.write(answer);
    await tool.outputs("ABCDEFGHIJKLMNOP");
    tool.stdin.end("there");
    await peer.ended;
    peer.socket.end();
    expect(await tool.ended).toMatchObject({ code: 0, stdout: answer });
    expect(tool.stderr).toBe(
      row(">", "00000000", "68 69 0a", "hi.") +
        row(
          "<",
          "00000000",
          "41 42 43 44 45 46 47 48  49 4a 4b 4c 4d 4e 4f 50",
          "ABCDEFGHIJKLMNOP",
        ) +
        row("<", "00000010", "00 1b 7e ff", "..~.") +
        row(">", "00000003", "74 68 65 72 65", "there"),
    );
  });

  test("--hex under --json is a data event a chunk, with offsets", async () => {
    const { port, client } = await startServer();
    const tool = new Tool(connecting(port, "--hex"));
    const peer = await client();
    tool.stdin.write("hi\n");
    while (peer.received().length < 3) await once(peer.socket, "data");
    tool.stdin.end("there");
    await peer.ended;
    peer.socket.end("\xff\x00", "latin1");
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from([0xff, 0]) });
    expect(tool.all("data").map(({ time, ...data }) => (expect(time).toMatch(/Z$/), data))).toEqual(
      [
        { event: "data", id: 1, direction: "sent", offset: 0, hex: "68690a" },
        { event: "data", id: 1, direction: "sent", offset: 3, hex: "7468657265" },
        { event: "data", id: 1, direction: "received", offset: 0, hex: "ff00" },
      ],
    );
  });

  test("-v adds the name, each address tried and the socket options", async () => {
    const { port } = await startServer();
    const args = ["tcp", "connect", "-4", "localhost", String(port), "--no-delay", "--send-only"];
    const tool = portcat([...args, "-v"], { stdin: "null" });
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.alloc(0) });
    const [resolved, trying, option, connected, closed, rest] = tool.stderr.split("\n");
    expect(resolved).toBe("portcat: localhost is 127.0.0.1");
    expect(trying).toBe(`portcat: trying 127.0.0.1:${String(port)}`);
    expect(option).toBe("portcat: no-delay is true");
    expect(connected).toContain(`portcat: connected: 127.0.0.1:${String(port)} `);
    expect(closed).toMatch(/^portcat: closed: .* received 0 bytes, sent 0 bytes in [\d.]+ s$/);
    expect(rest).toBe("");
  });

  test("-q says nothing where all goes well, and still says errors", async () => {
    const quiet = await told("answer", (port) =>
      portcat(connecting(port, "-q"), { stdin: "null" }),
    );
    expect(await quiet.ended).toMatchObject({
      code: 0,
      stdout: Buffer.from("answer"),
      stderr: "",
    });
    const port = await freePort();
    const failing = portcat(connecting(port, "-q"));
    expect(await failing.ended).toMatchObject({
      code: 4,
      stdout: Buffer.alloc(0),
      stderr: `portcat: cannot connect to 127.0.0.1:${String(port)}: connection refused (ECONNREFUSED)\n`,
    });
  });

  test.each<[string[], Record<string, string>, boolean]>([
    [[], { NO_COLOR: "1" }, false],
    [[], { FORCE_COLOR: "1", NO_COLOR: "" }, true],
    [[], { FORCE_COLOR: "1", NO_COLOR: "1" }, true],
    [[], { FORCE_COLOR: "0", NO_COLOR: "" }, false],
    [["--no-color"], { FORCE_COLOR: "1", NO_COLOR: "" }, false],
    [["--json"], { FORCE_COLOR: "1", NO_COLOR: "" }, false],
  ])("with %j and %j on a pipe, colour is %s", async (args, env, coloured) => {
    const start = { stdin: "null", env } as const;
    const tool = await told("x", (port) => portcat(connecting(port, ...args), start));
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("x") });
    expect(tool.stderr).toContain("connected");
    expect(tool.stderr.includes("\x1b[")).toBe(coloured);
  });

  test.skipIf(!hasTerminals).each([
    ["TERM=xterm NO_COLOR=", true],
    ["TERM=dumb NO_COLOR=", false],
    ["TERM=xterm NO_COLOR=1", false],
  ])("with %s on a terminal, colour is %s", async (variables, coloured) => {
    const tool = await told("x", (port) => {
      const words = [process.execPath, bin, ...connecting(port)];
      const line = words.map((word) => `'${word}'`).join(" ");
      const env = `env -u FORCE_COLOR ${variables}`;
      return new Running("script", ["-qec", `${env} ${line} </dev/null`, "/dev/null"]);
    });
    const { code, stdout } = await tool.ended;
    expect(code).toBe(0);
    expect(stdout.toString()).toContain("connected");
    expect(stdout.includes("\x1b[")).toBe(coloured);
  });
});

describe.skipIf(!hasTerminals)("a terminal as stdout", () => {
  const redirected = () => `</dev/null 2>'${join(temporaryFolder(), "stderr")}'`;
  const hostile: [string, string | Buffer, string][] = [
    ["escape sequences", "a\x1b[31mred\x1b]0;title\x07b", "a^[[31mred^[]0;title^Gb"],
    ["other control bytes", "\x00\x01\x08\x0b\x0c\x0e\x7f", "^@^A^H^K^L^N^?"],
    ["C1 controls, as bytes and as UTF-8", Buffer.from("809bc29b", "hex"), "\\x80\\x9b\\x9b"],
    [
      "bytes that are no UTF-8",
      Buffer.from("41ff42c043eda080f4908080", "hex"),
      "A\\xffB\\xc0C\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80",
    ],
    ["a character cut off at the end", Buffer.from("41e282", "hex"), "A\\xe2\\x82"],
    ["text, tabs and line ends", "tab\tgrüße €𝄞\r\n", "tab\tgrüße €𝄞\r\r\n"],
  ];
  test.each(hostile)("shows %s as text", async (_, bytes, shown) => {
    const tool = await told(Buffer.from(bytes), (port) =>
      onTerminal(connecting(port), redirected()),
    );
    const { code, stdout } = await tool.ended;
    expect(code).toBe(0);
    expect(stdout.toString("latin1")).toBe(Buffer.from(shown).toString("latin1"));
  });

  test("shows a character whole that comes in pieces", async () => {
    const { port, client } = await startServer();
    const tool = onTerminal(connecting(port), redirected());
    const { socket } = await client();
    socket.setNoDelay(true);
    for (const byte of Buffer.from("€\x9b𝄞")) {
      socket.write(Buffer.from([byte]));
      await silence(30);
    }
    socket.end();
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("€\\x9b𝄞") });
  });

  const bytes = Buffer.from("a\x1b[31m\x07\x80\x9b\xff\x00\tb", "latin1");
  test("gets everything as it came with --raw", async () => {
    const tool = await told(bytes, (port) => onTerminal(connecting(port, "--raw"), redirected()));
    expect(await tool.ended).toMatchObject({ code: 0, stdout: bytes });
  });

  test("is what it takes: a pipe and a file always get exactly what came", async () => {
    const piped = await told(bytes, (port) => portcat(connecting(port), { stdin: "null" }));
    expect(await piped.ended).toMatchObject({ code: 0, stdout: bytes });
    const path = join(temporaryFolder(), "received");
    const toFile = { stdin: "null", stdout: descriptorOf(path, "w") } as const;
    const filed = await told(bytes, (port) => portcat(connecting(port), toFile));
    expect((await filed.ended).code).toBe(0);
    expect(readFileSync(path)).toEqual(bytes);
  });
});

describe("the file of a UNIX socket", () => {
  const socketPath = () => join(temporaryFolder(), "socket");
  async function listening(path: string, ...args: string[]): Promise<Tool> {
    const tool = new Tool(["unix", "listen", path, ...args]);
    await tool.event("listening");
    return tool;
  }
  async function terminate(tool: Tool): Promise<void> {
    tool.child.kill("SIGTERM");
    expect((await tool.ended).code).toBe(143);
  }
  function withUmask<T>(mask: string, work: () => T): T {
    const before = process.umask(mask);
    try {
      return work();
    } finally {
      process.umask(before);
    }
  }

  test.each([
    { mode: "600", umask: "000", bits: "600" },
    { mode: "0660", umask: "077", bits: "660" },
    { mode: "777", umask: "077", bits: "777" },
    { mode: "000", umask: "000", bits: "0" },
    { mode: undefined, umask: "027", bits: "750" },
  ])("has exactly the bits $bits with --mode $mode under umask $umask", async (row) => {
    const path = socketPath();
    const args = row.mode === undefined ? [] : ["--mode", row.mode];
    const tool = withUmask(row.umask, () => new Tool(["unix", "listen", path, ...args]));
    await tool.event("listening");
    expect((statSync(path).mode & 0o777).toString(8)).toBe(row.bits);
    await terminate(tool);
    expect(existsSync(path)).toBe(false);
  });

  test("is replaced when it is stale: nobody listens on it any more", async () => {
    const path = socketPath();
    const gone = await listening(path);
    gone.child.kill("SIGKILL");
    await gone.ended;
    expect(statSync(path).isSocket()).toBe(true);
    const tool = await listening(path);
    const peer = await connectPeer({ path });
    peer.socket.end("fresh");
    tool.stdin.end();
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("fresh") });
    expect(existsSync(path)).toBe(false);
  });

  test("is left alone, code 7, when somebody listens on it, who is not disturbed", async () => {
    const path = socketPath();
    const first = await listening(path, "-k");
    const second = new Tool(["unix", "listen", path]);
    expect((await second.ended).code).toBe(7);
    expect(second.all("error")).toMatchObject([{ code: "EADDRINUSE", exitCode: 7 }]);
    (await connectPeer({ path })).socket.end("still there");
    await first.outputs("still there");
    await terminate(first);
  });

  test.skipIf(!isLinux)(
    "is left alone, code 7, when its listener is too busy to answer",
    async () => {
      const path = socketPath();
      await fullListener(path);
      const tool = new Tool(["unix", "listen", path, "--timeout", "5s"]);
      expect((await tool.ended).code).toBe(7);
      expect(statSync(path).isSocket()).toBe(true);
    },
  );

  test.each(["file", "folder"])(
    "is not made where a %s is: code 7, and it is left alone",
    async (kind) => {
      const path = socketPath();
      if (kind === "file") writeFileSync(path, "precious");
      else mkdirSync(path);
      const tool = new Tool(["unix", "listen", path]);
      expect((await tool.ended).code).toBe(7);
      expect(tool.all("error")[0]?.message).toContain("not a socket");
      if (kind === "file") expect(readFileSync(path, "utf8")).toBe("precious");
      else expect(statSync(path).isDirectory()).toBe(true);
    },
  );

  test("cannot be made in a folder that is not there, code 7", async () => {
    const path = join(temporaryFolder(), "missing", "socket");
    const tool = new Tool(["unix", "listen", path]);
    expect((await tool.ended).code).toBe(7);
    expect(tool.all("error")[0]?.message).toContain(path);
  });

  test("is gone as soon as the one client is there", async () => {
    const path = socketPath();
    const tool = await listening(path);
    const peer = await connectPeer({ path });
    await tool.event("connected");
    expect(existsSync(path)).toBe(false);
    tool.stdin.end();
    peer.socket.end();
    expect((await tool.ended).code).toBe(0);
  });

  const exits: { name: string; args: string[]; code: number; send?: string; full?: true }[] = [
    { name: "a client that ends", args: [], code: 0, send: "" },
    { name: "--timeout with nobody there", args: ["--timeout", "200ms"], code: 5 },
    { name: "--timeout with a client", args: ["-k", "--timeout", "700ms"], code: 5, send: "x" },
    { name: "--bytes", args: ["--bytes", "3"], code: 0, send: "abcdef" },
    { name: "too few --bytes", args: ["--bytes", "30"], code: 8, send: "abc" },
    { name: "a full disk", args: ["-k"], code: 1, send: "x", full: true },
  ];
  test.skipIf(!isLinux).each(exits)("is removed at the end by $name, code $code", async (row) => {
    const path = socketPath();
    const start = row.full === undefined ? {} : { stdout: descriptorOf("/dev/full", "w") };
    const tool = new Tool(["unix", "listen", path, ...row.args], { stdin: "null", ...start });
    await tool.event("listening");
    if (row.send !== undefined) (await connectPeer({ path })).socket.end(row.send);
    expect((await tool.ended).code).toBe(row.code);
    expect(existsSync(path)).toBe(false);
  });

  test("is not removed when it is another's by then", async () => {
    const path = socketPath();
    const first = await listening(path);
    rmSync(path);
    const second = await listening(path);
    await terminate(first);
    expect(existsSync(path)).toBe(true);
    (await connectPeer({ path })).socket.end("second");
    second.stdin.end();
    expect(await second.ended).toMatchObject({ code: 0, stdout: Buffer.from("second") });
  });

  test.skipIf(!isLinux)("does not exist for an abstract name, under which two meet", async () => {
    const folder = temporaryFolder();
    const name = `@portcat-${String(process.pid)}-${folder.slice(-6)}`;
    const listener = new Tool(["unix", "listen", name], { cwd: folder });
    expect(await listener.event("listening")).toMatchObject({ transport: "unix", path: name });
    expect(readdirSync(folder)).toEqual([]);
    const client = new Tool(["unix", "connect", name], { cwd: folder });
    client.stdin.end("question");
    listener.stdin.end("answer");
    expect(await listener.ended).toMatchObject({ code: 0, stdout: Buffer.from("question") });
    expect(await client.ended).toMatchObject({ code: 0, stdout: Buffer.from("answer") });
    const again = new Tool(["unix", "connect", name]);
    expect((await again.ended).code).toBe(4);
  });

  test.skipIf(!isLinux)("an abstract name that is taken is code 7", async () => {
    const name = `@portcat-taken-${String(process.pid)}`;
    const first = await listening(name, "-k");
    const second = new Tool(["unix", "listen", name]);
    expect((await second.ended).code).toBe(7);
    expect(second.all("error")).toMatchObject([{ code: "EADDRINUSE", exitCode: 7 }]);
    await terminate(first);
  });

  test.skipIf(isLinux)(
    "an abstract name is a usage error where there are none, code 2",
    async () => {
      const tool = new Tool(["unix", "listen", "@name"]);
      expect((await tool.ended).code).toBe(2);
      expect(tool.all("error")[0]?.message).toContain("Linux only");
    },
  );
});

test("a client that reads nothing does not keep a listener from ending with --idle-timeout, code 5", async () => {
  const tool = new Tool(["tcp", "listen", localhost, "0", "--idle-timeout", "500ms"]);
  await frozenClient({ host: localhost, port: await tool.port() });
  tool.stdin.write(Buffer.alloc(24 << 20));
  expect((await tool.ended).code).toBe(5);
  expect(tool.all("error")).toMatchObject([{ code: "EIDLE", exitCode: 5 }]);
});

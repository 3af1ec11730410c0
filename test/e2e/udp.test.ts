import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, onTestFinished, test } from "vitest";
import { loopbackMulticast, refusingUdpPort, udpPeer } from "../helpers/datagrams.ts";
import { hasTerminals, onTerminal } from "../helpers/pseudo-terminal.ts";
import { portcat, temporaryFolder, Tool } from "../helpers/tool.ts";

const interfaces = Object.entries(networkInterfaces());
const loopback = interfaces.find(([, all]) => all?.some(({ internal }) => internal))?.[0] ?? "lo";
const hasIpv6 = interfaces.some(([, all]) => all?.some(({ address }) => address === "::1"));
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const hasReusePort = major > 22 || (major === 22 && minor >= 12);
const silence = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const bytes = (length: number) => Buffer.alloc(length, "0123456789abcdef\n");

/** A file of the test's own as an open descriptor. */
function fileWith(content: string | Buffer): number {
  const path = join(temporaryFolder(), "input");
  writeFileSync(path, content);
  return openSync(path, "r");
}

describe("udp bind receives", () => {
  test("the datagrams of every sender, in order, each with an event", async () => {
    const tool = new Tool(["udp", "bind", "127.0.0.1", "0", "--count", "3"]);
    const port = await tool.port();
    const senders = [await udpPeer(), await udpPeer(), await udpPeer()];
    for (const [index, sender] of senders.entries()) await sender.send("x".repeat(index + 1), port);
    tool.stdin.end();
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("xxxxxx") });
    expect(tool.all("datagram")).toMatchObject(
      senders.map((sender, index) => ({
        from: { address: "127.0.0.1", port: sender.port },
        bytes: index + 1,
      })),
    );
    expect(tool.all("closed")).toMatchObject([
      { received: 6, sent: 0, datagrams: { received: 3, sent: 0 }, reason: "end" },
    ]);
  });

  test.each([0, 1, 1473, 65507])("a datagram of %i bytes whole", async (length) => {
    const tool = new Tool(["udp", "bind", "127.0.0.1", "0", "--count", "1"], { stdin: "null" });
    await (await udpPeer()).send(bytes(length), await tool.port());
    const { code, stdout } = await tool.ended;
    expect(code).toBe(0);
    expect(stdout.equals(bytes(length))).toBe(true);
    expect(tool.all("datagram").map((event) => event.bytes)).toEqual([length]);
    expect(tool.all("closed")).toMatchObject([
      { received: length, datagrams: { received: 1, sent: 0 } },
    ]);
  });

  test("an empty datagram as data, which counts and gets the answer", async () => {
    const tool = new Tool(["udp", "bind", "127.0.0.1", "0", "--count", "2"]);
    const peer = await udpPeer();
    tool.stdin.end("answer");
    await peer.send("", await tool.port());
    expect((await peer.next()).bytes.toString()).toBe("answer");
    await peer.send("second", await tool.port());
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("second") });
    expect(tool.all("datagram").map((event) => event.bytes)).toEqual([0, 6]);
  });

  test("a burst that waits in the system's buffer, none merged and none lost", async () => {
    const tool = new Tool(["udp", "bind", "--local", "0", "--count", "50"], { stdin: "null" });
    const port = await tool.port();
    const peer = await udpPeer();
    const sent = Array.from({ length: 50 }, (_, index) => `${String(index)}\n`);
    for (const line of sent) await peer.send(line, port);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from(sent.join("")) });
    expect(tool.all("datagram")).toHaveLength(50);
  });

  test("no more than --count datagrams, also where more are there", async () => {
    const tool = new Tool(["udp", "bind", "--local", "0", "--count", "1"], { stdin: "null" });
    const port = await tool.port();
    const peer = await udpPeer();
    await Promise.all(["a", "a", "a"].map((text) => peer.send(text, port)));
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("a") });
    expect(tool.all("datagram")).toHaveLength(1);
  });
});

describe("udp bind sends stdin", () => {
  test("to the latest sender", async () => {
    const tool = new Tool(["udp", "bind", "127.0.0.1", "0", "--count", "3", "--lines"]);
    const port = await tool.port();
    const [first, second] = [await udpPeer(), await udpPeer()];
    await first.send("1", port);
    await tool.event("datagram");
    tool.stdin.write("to the first\n");
    expect(await first.next()).toMatchObject({
      bytes: Buffer.from("to the first\n"),
      from: { port },
    });
    await second.send("2", port);
    await tool.event("datagram", 2);
    tool.stdin.write("to the second\n");
    expect((await second.next()).bytes.toString()).toBe("to the second\n");
    tool.stdin.end("to the second again\n");
    expect((await second.next()).bytes.toString()).toBe("to the second again\n");
    await first.send("3", port);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("123") });
    expect(first.received).toHaveLength(1);
    expect(tool.all("closed")).toMatchObject([{ datagrams: { received: 3, sent: 3 }, sent: 47 }]);
  });

  test("only once there is a sender, and does not read it before", async () => {
    const tool = new Tool(["udp", "bind", "127.0.0.1", "0", "--count", "1", "--chunk", "1000"]);
    const port = await tool.port();
    tool.stdin.write(bytes(1 << 20));
    await silence(300);
    expect(tool.stdin.writableLength).toBeGreaterThan(0);
    const peer = await udpPeer();
    const drained = once(tool.stdin, "drain");
    await peer.send("here I am", port);
    expect((await peer.next()).bytes).toEqual(bytes(1 << 20).subarray(0, 1000));
    await drained;
    tool.stdin.end();
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("here I am") });
    expect(tool.all("closed")).toMatchObject([{ sent: 1 << 20 }]);
  });

  test.each<{ framing: string[]; input: string; datagrams: string[] }>([
    { framing: [], input: "two\nlines\n", datagrams: ["two\nlines\n"] },
    { framing: ["--lines"], input: "a\n\nb", datagrams: ["a\n", "\n", "b"] },
    { framing: ["--chunk", "4"], input: "0123456789", datagrams: ["0123", "4567", "89"] },
    { framing: ["--chunk", "4"], input: "01234567", datagrams: ["0123", "4567"] },
    { framing: [], input: "", datagrams: [] },
  ])(
    "$input with $framing as $datagrams, from a pipe and from a file",
    async ({ framing, input, datagrams }) => {
      for (const kind of ["pipe", "file"]) {
        const stdin = kind === "pipe" ? "pipe" : fileWith(input);
        const tool = new Tool(["udp", "bind", "--local", "0", "--count", "1", ...framing], {
          stdin,
        });
        if (stdin === "pipe") tool.stdin.end(input);
        const peer = await udpPeer();
        await peer.send("?", await tool.port());
        for (const datagram of datagrams)
          expect((await peer.next()).bytes.toString()).toBe(datagram);
        expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("?") });
        expect(tool.all("closed")).toMatchObject([
          { sent: input.length, datagrams: { received: 1, sent: datagrams.length } },
        ]);
      }
    },
  );

  test("to --peer from the start, whoever sends", async () => {
    const [fixed, other] = [await udpPeer(), await udpPeer()];
    const place = `127.0.0.1:${String(fixed.port)}`;
    const args = ["udp", "bind", "127.0.0.1", "0", "--peer", place, "--lines", "--count", "1"];
    const tool = new Tool(args);
    tool.stdin.write("unasked\n");
    expect((await fixed.next()).bytes.toString()).toBe("unasked\n");
    await other.send("hello", await tool.port());
    await tool.event("datagram");
    tool.stdin.end("still\n");
    expect((await fixed.next()).bytes.toString()).toBe("still\n");
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("hello") });
    expect(other.received).toEqual([]);
  });

  test("to an IPv4 --peer from a socket of both families", async () => {
    const peer = await udpPeer();
    const place = `127.0.0.1:${String(peer.port)}`;
    const tool = new Tool(["udp", "bind", "0", "--peer", place, "--count", "1"]);
    tool.stdin.end("hello");
    const { bytes: question, from } = await peer.next();
    expect(question.toString()).toBe("hello");
    await peer.send("answer", from.port);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("answer") });
    expect(tool.all("datagram")).toMatchObject([
      { from: { address: "127.0.0.1", port: peer.port }, bytes: 6 },
    ]);
  });

  test("and goes on receiving after its end", async () => {
    const tool = new Tool(["udp", "bind", "127.0.0.1", "0", "--count", "2"]);
    tool.stdin.end("answer");
    const peer = await udpPeer();
    await peer.send("1", await tool.port());
    await peer.next();
    await silence(400);
    await peer.send("2", await tool.port());
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("12") });
  });

  test.each<[string, string[], "pipe" | "null"]>([
    ["with --no-stdin", ["--no-stdin"], "pipe"],
    ["from /dev/null", [], "null"],
  ])("not at all %s", async (_, args, stdin) => {
    const tool = new Tool(["udp", "bind", "--local", "0", "--count", "2", ...args], { stdin });
    if (stdin === "pipe") tool.stdin.write("not to be sent");
    const [peer, port] = [await udpPeer(), await tool.port()];
    await peer.send("1", port);
    await tool.event("datagram");
    await silence(300);
    await peer.send("2", port);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("12") });
    expect(tool.all("closed")).toMatchObject([{ sent: 0, datagrams: { received: 2, sent: 0 } }]);
    expect(peer.received).toEqual([]);
  });

  test("a line too long for a datagram is an error that says so", async () => {
    const tool = new Tool(["udp", "bind", "--local", "0", "--lines"]);
    tool.stdin.end(`${"x".repeat(65507)}\n`);
    await (await udpPeer()).send("?", await tool.port());
    const { code, stdout } = await tool.ended;
    expect([code, stdout.toString()]).toEqual([8, "?"]);
    expect(tool.all("error")).toMatchObject([{ code: "EMSGSIZE", exitCode: 8 }]);
    expect(tool.all("error")[0]?.message).toContain("65507");
  });
});

describe("udp bind takes addresses", () => {
  test.skipIf(!hasIpv6)("of both families, shows IPv4 as IPv4, and answers to either", async () => {
    const tool = new Tool(["udp", "bind", "0", "--count", "3", "--lines"]);
    const port = await tool.port();
    expect(tool.all("listening")).toMatchObject([
      { transport: "udp", address: "::", port, family: "IPv6" },
    ]);
    const peers = [await udpPeer("127.0.0.1"), await udpPeer("::1")];
    for (const [index, peer] of peers.entries()) {
      await peer.send("?", port);
      await tool.event("datagram", index + 1);
      tool.stdin.write("answer\n");
      expect((await peer.next()).bytes.toString()).toBe("answer\n");
    }
    tool.stdin.end();
    await peers[0]?.send("!", port);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("??!") });
    expect(tool.all("datagram").map(({ from }) => from)).toEqual([
      { address: "127.0.0.1", port: peers[0]?.port },
      { address: "::1", port: peers[1]?.port },
      { address: "127.0.0.1", port: peers[0]?.port },
    ]);
  });

  test.skipIf(!hasIpv6)("of IPv6 alone with -6", async () => {
    const tool = new Tool(["udp", "bind", "-6", "0", "--count", "1"], { stdin: "null" });
    const port = await tool.port();
    await (await udpPeer("127.0.0.1")).send("not heard", port);
    await (await udpPeer("::1")).send("heard", port);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("heard") });
    expect(tool.all("listening")).toMatchObject([{ address: "::", family: "IPv6" }]);
  });

  test.each([
    { args: ["-4", "0"], address: "0.0.0.0", family: "IPv4" },
    { args: ["--local", "0"], address: "127.0.0.1", family: "IPv4" },
    { args: ["127.0.0.1:0"], address: "127.0.0.1", family: "IPv4" },
    { args: ["-4", "localhost", "0"], address: "127.0.0.1", family: "IPv4" },
    ...(hasIpv6
      ? [
          { args: ["-6", "--local", "0"], address: "::1", family: "IPv6" },
          { args: ["[::1]:0"], address: "::1", family: "IPv6" },
        ]
      : []),
  ])("$args as $address", async ({ args, address, family }) => {
    const tool = new Tool(["udp", "bind", ...args, "--count", "1"], { stdin: "null" });
    const port = await tool.port();
    expect(tool.all("listening")).toMatchObject([{ transport: "udp", address, port, family }]);
    await (await udpPeer(family === "IPv6" ? "::1" : "127.0.0.1")).send("x", port);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("x") });
  });

  test("and says in words that it is on all interfaces", async () => {
    const tool = portcat(["udp", "bind", "0", "--timeout", "10s"], { stdin: "null" });
    await tool.says(/^portcat: listening on .*:\d+ \(udp, all interfaces\)\n/);
  });

  test("and a port that is taken is code 7, with the address and who could be asked", async () => {
    const { port } = await udpPeer();
    const tool = new Tool(["udp", "bind", "127.0.0.1", String(port)], { stdin: "null" });
    const { code, stdout } = await tool.ended;
    expect([code, stdout.length, tool.all("listening")]).toEqual([7, 0, []]);
    expect(tool.all("error")).toMatchObject([{ code: "EADDRINUSE", exitCode: 7, port }]);
    expect(tool.all("error")[0]?.message).toContain(`127.0.0.1:${String(port)}`);
  });

  test("and an address that is not ours is code 7", async () => {
    const tool = new Tool(["udp", "bind", "192.0.2.200", "0"], { stdin: "null" });
    expect((await tool.ended).code).toBe(7);
    expect(tool.all("error")).toMatchObject([{ code: "EADDRNOTAVAIL", exitCode: 7 }]);
  });

  test("and writes the ready file with the bound address, in the place of an old one", async () => {
    const path = join(temporaryFolder(), "ready");
    writeFileSync(path, "old");
    const args = ["udp", "bind", "127.0.0.1", "0", "--ready-file", path, "--count", "1"];
    const tool = new Tool(args, { stdin: "null" });
    const content = () => (existsSync(path) ? readFileSync(path, "utf8") : "");
    while (["", "old"].includes(content())) await silence(10);
    const ready = JSON.parse(content()) as { port: number };
    expect(ready).toMatchObject({ transport: "udp", address: "127.0.0.1", family: "IPv4" });
    await (await udpPeer()).send("x", ready.port);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("x") });
    expect(tool.all("listening")).toMatchObject([ready]);
  });
});

describe("udp bind ends", () => {
  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("at %s with what it received written and code %i", async (signal, exitCode) => {
    const tool = new Tool(["udp", "bind", "127.0.0.1", "0"]);
    await (await udpPeer()).send("received", await tool.port());
    await tool.outputs("received");
    tool.child.kill(signal);
    expect(await tool.ended).toMatchObject({ code: exitCode, stdout: Buffer.from("received") });
    expect(tool.all("closed")).toMatchObject([
      { received: 8, datagrams: { received: 1, sent: 0 }, reason: signal },
    ]);
    expect(tool.all("error")).toMatchObject([{ code: signal, exitCode }]);
  });

  test.each([
    ["--timeout", "ETIMEDOUT"],
    ["-i", "EIDLE"],
  ])("after %s with code 5 and what came before", async (option, reason) => {
    const tool = new Tool(["udp", "bind", "127.0.0.1", "0", option, "700ms"], { stdin: "null" });
    await (await udpPeer()).send("before", await tool.port());
    expect(await tool.ended).toMatchObject({ code: 5, stdout: Buffer.from("before") });
    expect(tool.all("closed")).toMatchObject([{ received: 6, reason }]);
    expect(tool.all("error")).toMatchObject([{ code: reason, exitCode: 5 }]);
  });

  test("not by -i while datagrams come", async () => {
    const args = ["udp", "bind", "127.0.0.1", "0", "-i", "1s", "--count", "6"];
    const tool = new Tool(args, { stdin: "null" });
    const [peer, port] = [await udpPeer(), await tool.port()];
    for (let n = 0; n < 6; n++) {
      await silence(250);
      await peer.send(String(n), port);
    }
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("012345") });
  });

  test("with code 141 when the reader of stdout has gone", async () => {
    const tool = new Tool(["udp", "bind", "127.0.0.1", "0"]);
    const [peer, port] = [await udpPeer(), await tool.port()];
    tool.output.destroy();
    await peer.send("nobody reads this", port);
    expect((await tool.ended).code).toBe(141);
    expect(tool.all("error")).toMatchObject([{ code: "EPIPE", exitCode: 141 }]);
  });

  test.skipIf(!existsSync("/dev/full"))("with code 1 when stdout is full", async () => {
    const stdout = openSync("/dev/full", "w");
    const tool = new Tool(["udp", "bind", "127.0.0.1", "0"], { stdout });
    await (await udpPeer()).send("no room", await tool.port());
    expect((await tool.ended).code).toBe(1);
    expect(tool.all("error")).toMatchObject([{ code: "ENOSPC", exitCode: 1 }]);
  });
});

describe.skipIf(!hasTerminals)("udp on a terminal", () => {
  test("udp bind shows a line with time, sender and size for each datagram", async () => {
    const tool = onTerminal(["udp", "bind", "127.0.0.1", "0", "--count", "2"]);
    const shown = () => tool.received().toString();
    const [, port] = await tool.until(
      () => /listening on 127\.0\.0\.1:(\d+)/.exec(shown()) ?? undefined,
    );
    const peer = await udpPeer();
    await peer.send("hello\n", Number(port));
    await peer.send("", Number(port));
    expect((await tool.ended).code).toBe(0);
    const from = `127.0.0.1:${String(peer.port)}`;
    expect(shown()).toMatch(new RegExp(`\\d\\d:\\d\\d:\\d\\d\\.\\d{3} ${from}: 6 bytes\r\n`));
    expect(shown()).toMatch(new RegExp(`\\d\\d:\\d\\d:\\d\\d\\.\\d{3} ${from}: 0 bytes\r\n`));
    expect(shown()).toContain("hello\r\n");
  });

  test("udp bind shows no such line when stdout is a pipe", async () => {
    const tool = portcat(["udp", "bind", "127.0.0.1", "0", "--count", "1"], { stdin: "null" });
    const [, port] = await tool.says(/listening on 127\.0\.0\.1:(\d+)/);
    const peer = await udpPeer();
    await peer.send("hello", Number(port));
    const { code, stdout, stderr } = await tool.ended;
    expect([code, stdout.toString()]).toEqual([0, "hello"]);
    expect(stderr).not.toContain(`127.0.0.1:${String(peer.port)}`);
    expect(stderr).toContain("received 1 datagram (5 bytes), sent 0 datagrams (0 bytes)");
  });

  test.each([
    ["as text", [], "a^[[31mb^G"],
    ["exactly with --raw", ["--raw"], "a\x1b[31mb\x07"],
  ])("udp bind shows control bytes of a datagram %s", async (_, args, text) => {
    const tool = onTerminal(["udp", "bind", "127.0.0.1", "0", "--count", "1", ...args]);
    const shown = () => tool.received().toString();
    const [, port] = await tool.until(
      () => /listening on 127\.0\.0\.1:(\d+)/.exec(shown()) ?? undefined,
    );
    await (await udpPeer()).send("a\x1b[31mb\x07\n", Number(port));
    expect((await tool.ended).code).toBe(0);
    expect(shown()).toContain(`${text}\r\n`);
  });

  test("udp send sends each line that is typed at once, as one datagram", async () => {
    const peer = await udpPeer();
    const tool = onTerminal(["udp", "send", "127.0.0.1", String(peer.port)]);
    tool.stdin.write("first\n");
    expect((await peer.next()).bytes.toString()).toBe("first\n");
    tool.stdin.write("second\n");
    expect((await peer.next()).bytes.toString()).toBe("second\n");
    tool.stdin.write("\x04");
    expect((await tool.ended).code).toBe(0);
    expect(peer.received).toHaveLength(2);
  });
});

describe("udp send sends", () => {
  test.each<{ what: string; args: string[]; datagram: Buffer }>([
    { what: "a message", args: ["hello, world\n"], datagram: Buffer.from("hello, world\n") },
    { what: "a message that is a number", args: ["42"], datagram: Buffer.from("42") },
    { what: "an empty message", args: [""], datagram: Buffer.alloc(0) },
    { what: "a message in UTF-8", args: ["é€😀"], datagram: Buffer.from("é€😀") },
    {
      what: "hex digits",
      args: ["--message-hex", "00fF0a 1b"],
      datagram: Buffer.from([0, 255, 10, 27]),
    },
    { what: "no hex digit", args: ["--message-hex", ""], datagram: Buffer.alloc(0) },
    { what: "the longest message", args: ["x".repeat(65507)], datagram: Buffer.alloc(65507, "x") },
  ])("$what as one datagram, in two words and in one", async ({ args, datagram }) => {
    for (const words of [1, 2]) {
      const peer = await udpPeer();
      const port = String(peer.port);
      const place = words === 1 ? [`127.0.0.1:${port}`] : ["127.0.0.1", port];
      const tool = new Tool(["udp", "send", ...place, ...args]);
      expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.alloc(0) });
      expect((await peer.next()).bytes.equals(datagram)).toBe(true);
      expect(tool.all("closed")).toMatchObject([
        { received: 0, sent: datagram.length, datagrams: { received: 0, sent: 1 }, reason: "end" },
      ]);
      expect(peer.received).toHaveLength(1);
    }
  });

  test.skipIf(!hasIpv6)("to [::1]:port in one word", async () => {
    const peer = await udpPeer("::1");
    const tool = new Tool(["udp", "send", `[::1]:${String(peer.port)}`, "hello"]);
    expect((await tool.ended).code).toBe(0);
    expect(await peer.next()).toMatchObject({
      bytes: Buffer.from("hello"),
      from: { address: "::1" },
    });
  });

  test.each(["-4", ""])(
    "to a name whose IPv4 address alone has a receiver (%s)",
    async (family) => {
      const peer = await udpPeer();
      const args = ["udp", "send", "localhost", String(peer.port), "hello"];
      const tool = new Tool(family === "" ? args : [...args, family]);
      expect((await tool.ended).code).toBe(0);
      expect((await peer.next()).bytes.toString()).toBe("hello");
    },
  );

  test.each<{ what: string; write: string[]; length: number }>([
    { what: "several writes and lines", write: ["one\n", "two\n", "three"], length: 13 },
    { what: "nothing", write: [], length: 0 },
    { what: "as much as fits", write: ["x".repeat(65507)], length: 65507 },
  ])("all of stdin as ONE datagram: $what", async ({ write, length }) => {
    for (const kind of ["pipe", "file"]) {
      const peer = await udpPeer();
      const stdin = kind === "pipe" ? "pipe" : fileWith(write.join(""));
      const tool = new Tool(["udp", "send", "127.0.0.1", String(peer.port)], { stdin });
      if (stdin === "pipe") {
        for (const text of write) {
          tool.stdin.write(text);
          await silence(20);
        }
        tool.stdin.end();
      }
      expect((await peer.next()).bytes.toString()).toBe(write.join(""));
      expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.alloc(0) });
      expect(tool.all("closed")).toMatchObject([
        { sent: length, datagrams: { received: 0, sent: 1 } },
      ]);
    }
  });

  test.each<{ framing: string[]; input: string; datagrams: string[] }>([
    { framing: ["--lines"], input: "a\nb\n", datagrams: ["a\n", "b\n"] },
    { framing: ["--lines"], input: "a\n\r\n\nb", datagrams: ["a\n", "\r\n", "\n", "b"] },
    { framing: ["--lines"], input: "", datagrams: [] },
    { framing: ["--chunk", "4"], input: "0123456789", datagrams: ["0123", "4567", "89"] },
    { framing: ["--chunk", "1"], input: "abc", datagrams: ["a", "b", "c"] },
    { framing: ["--chunk", "64"], input: "abc", datagrams: ["abc"] },
  ])("stdin with $framing cut as asked: $datagrams", async ({ framing, input, datagrams }) => {
    for (const kind of ["pipe", "file"]) {
      const peer = await udpPeer();
      const stdin = kind === "pipe" ? "pipe" : fileWith(input);
      const tool = new Tool(["udp", "send", "127.0.0.1", String(peer.port), ...framing], { stdin });
      if (stdin === "pipe") tool.stdin.end(input);
      for (const datagram of datagrams) expect((await peer.next()).bytes.toString()).toBe(datagram);
      expect((await tool.ended).code).toBe(0);
      expect(tool.all("closed")).toMatchObject([
        { sent: input.length, datagrams: { received: 0, sent: datagrams.length } },
      ]);
      expect(peer.received).toHaveLength(datagrams.length);
    }
  });

  test("a line at once with --lines, also one that came in pieces", async () => {
    const peer = await udpPeer();
    const tool = new Tool(["udp", "send", "127.0.0.1", String(peer.port), "--lines"]);
    tool.stdin.write("first\nsec");
    expect((await peer.next()).bytes.toString()).toBe("first\n");
    tool.stdin.write("ond\n");
    expect((await peer.next()).bytes.toString()).toBe("second\n");
    tool.stdin.end();
    expect((await tool.ended).code).toBe(0);
  });

  test("many lines in order, and counts them all", async () => {
    const peer = await udpPeer();
    peer.socket.setRecvBufferSize(1 << 20);
    const lines = Array.from({ length: 300 }, (_, index) => `${String(index)}\n`);
    const args = ["udp", "send", "127.0.0.1", String(peer.port), "--lines"];
    const tool = new Tool(args, { stdin: fileWith(lines.join("")) });
    expect((await tool.ended).code).toBe(0);
    for (const line of lines.slice(0, 100)) expect((await peer.next()).bytes.toString()).toBe(line);
    expect(tool.all("closed")).toMatchObject([{ datagrams: { sent: 300 } }]);
  });

  test("from the address and port of --source", async () => {
    const peer = await udpPeer();
    const free = await udpPeer();
    const { port } = free;
    await free.close();
    const source = `127.0.0.1:${String(port)}`;
    const tool = new Tool(["udp", "send", "127.0.0.1", String(peer.port), "x", "--source", source]);
    expect((await tool.ended).code).toBe(0);
    expect((await peer.next()).from).toEqual({ address: "127.0.0.1", port });
  });

  test.skipIf(process.platform !== "linux")("from another loopback address", async () => {
    const peer = await udpPeer();
    const args = ["udp", "send", "127.0.0.1", String(peer.port), "x", "--source", "127.0.0.9"];
    expect((await new Tool(args).ended).code).toBe(0);
    expect((await peer.next()).from.address).toBe("127.0.0.9");
  });

  test("and dumps what goes and comes with --hex", async () => {
    const peer = await udpPeer();
    const args = ["udp", "send", "127.0.0.1", String(peer.port), "ab", "--hex", "--replies", "1"];
    const tool = new Tool(args);
    await peer.send("c", (await peer.next()).from.port);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("c") });
    expect(tool.all("data")).toMatchObject([
      { direction: "sent", offset: 0, hex: "6162" },
      { direction: "received", offset: 0, hex: "63" },
    ]);
  });
});

describe("udp send refuses or fails", () => {
  test.each([
    ["a message of 65508 bytes", "pipe" as const, ["x".repeat(65508)], 2, "65507"],
    [
      "hex digits of 65508 bytes",
      "pipe" as const,
      ["--message-hex", "00".repeat(65508)],
      2,
      "65507",
    ],
  ])("%s with a usage error, and sends nothing", async (_, stdin, args, exitCode, words) => {
    const peer = await udpPeer();
    const tool = new Tool(["udp", "send", "127.0.0.1", String(peer.port), ...args], { stdin });
    const { code, stdout } = await tool.ended;
    expect([code, stdout.length]).toEqual([exitCode, 0]);
    expect(tool.all("error")[0]?.message).toContain(words);
    expect([tool.all("closed"), peer.received]).toEqual([[], []]);
  });

  test.each(["pipe", "file"])(
    "a stdin of 65508 bytes with an error that says so, and sends nothing (%s)",
    async (kind) => {
      const peer = await udpPeer();
      const stdin = kind === "pipe" ? "pipe" : fileWith("x".repeat(65508));
      const tool = new Tool(["udp", "send", "127.0.0.1", String(peer.port)], { stdin });
      // The pipe stays open: what is too long already need not be waited for.
      if (stdin === "pipe") tool.stdin.write("x".repeat(65508));
      expect((await tool.ended).code).not.toBe(0);
      expect(tool.all("error")).toMatchObject([{ code: "EMSGSIZE" }]);
      expect(tool.all("error")[0]?.message).toMatch(/stdin is too long .* 65507 bytes/);
      expect(peer.received).toEqual([]);
    },
  );

  test("a line too long, after the lines before it", async () => {
    const peer = await udpPeer();
    const tool = new Tool(["udp", "send", "127.0.0.1", String(peer.port), "--lines"]);
    tool.stdin.write(`fits\n${"x".repeat(65508)}\nnot sent\n`);
    expect((await peer.next()).bytes.toString()).toBe("fits\n");
    expect((await tool.ended).code).toBe(8);
    expect(tool.all("error")).toMatchObject([{ code: "EMSGSIZE", exitCode: 8 }]);
    expect(tool.all("closed")).toMatchObject([{ sent: 5, datagrams: { sent: 1 } }]);
    expect(peer.received).toHaveLength(1);
  });

  test("a stdin that cannot be read, with code 1", async () => {
    const { port } = await udpPeer();
    const stdin = openSync(temporaryFolder(), "r");
    const tool = new Tool(["udp", "send", "127.0.0.1", String(port)], { stdin });
    expect((await tool.ended).code).toBe(1);
    expect(tool.all("error")).toMatchObject([{ code: "EISDIR", exitCode: 1 }]);
  });

  test.each<{ what: string; args: string[]; input?: string }>([
    { what: "a message", args: ["hello"] },
    { what: "an empty message", args: [""] },
    { what: "a message and --wait", args: ["hello", "--wait", "20s"] },
    { what: "a message and --replies", args: ["hello", "--replies", "1", "--wait", "20s"] },
    { what: "stdin", args: [], input: "hello" },
    { what: "two lines", args: ["--lines"], input: "a\nb\n" },
    { what: "two lines and --replies", args: ["--lines", "--replies", "1"], input: "a\nb\n" },
    { what: "many lines", args: ["--lines"], input: "x\n".repeat(500) },
    { what: "many lines and --wait", args: ["--lines", "--wait", "20s"], input: "x\n".repeat(500) },
    { what: "chunks from an open pipe", args: ["--chunk", "1"], input: "ab" },
  ])(
    "a closed port with code 4: $what",
    async ({ args, input }) => {
      const port = await refusingUdpPort();
      const tool = new Tool(["udp", "send", "127.0.0.1", String(port), ...args]);
      if (args.includes("--chunk")) tool.stdin.write(input ?? "");
      else tool.stdin.end(input);
      expect(await tool.ended).toMatchObject({ code: 4, stdout: Buffer.alloc(0) });
      expect(tool.all("error")).toMatchObject([
        {
          code: "ECONNREFUSED",
          exitCode: 4,
          address: "127.0.0.1",
          port,
          message: `cannot send to 127.0.0.1:${String(port)}: connection refused (ECONNREFUSED)`,
        },
      ]);
      expect(tool.all("closed")).toMatchObject([{ received: 0, reason: "ECONNREFUSED" }]);
    },
    10_000,
  );

  test("a --source that is taken or not ours, with code 7", async () => {
    const peer = await udpPeer();
    const taken = await udpPeer();
    for (const [source, code] of [
      [`127.0.0.1:${String(taken.port)}`, "EADDRINUSE"],
      ["192.0.2.200", "EADDRNOTAVAIL"],
    ] as const) {
      const args = ["udp", "send", "127.0.0.1", String(peer.port), "x", "--source", source];
      const tool = new Tool(args);
      expect((await tool.ended).code).toBe(7);
      expect(tool.all("error")).toMatchObject([{ code, exitCode: 7 }]);
    }
    expect(peer.received).toEqual([]);
  });
});

describe("udp send waits", () => {
  test("for the end of a pipe, and says so after a second", async () => {
    const peer = await udpPeer();
    const tool = new Tool(["udp", "send", "127.0.0.1", String(peer.port)]);
    tool.stdin.write("part");
    const { message } = await tool.event("warning");
    expect(message).toMatch(/waiting for the end of stdin/);
    expect(peer.received).toEqual([]);
    tool.stdin.end(" and rest");
    expect((await peer.next()).bytes.toString()).toBe("part and rest");
    expect((await tool.ended).code).toBe(0);
    expect(tool.all("warning")).toHaveLength(1);
  });

  test.each([
    { what: "no answer", replies: [] },
    { what: "answers, an empty one too", replies: ["one\n", "", "two\n"] },
  ])("for as long as --wait says, and ends with code 0 with $what", async ({ replies }) => {
    const peer = await udpPeer();
    const args = ["udp", "send", "127.0.0.1", String(peer.port), "?", "--wait", "700ms"];
    const tool = new Tool(args);
    const { from } = await peer.next();
    for (const reply of replies) await peer.send(reply, from.port);
    const stdout = Buffer.from(replies.join(""));
    expect(await tool.ended).toMatchObject({ code: 0, stdout });
    expect(tool.all("datagram")).toMatchObject(
      replies.map((reply) => ({
        from: { address: "127.0.0.1", port: peer.port },
        bytes: reply.length,
      })),
    );
    const [closed] = tool.all("closed");
    expect(closed).toMatchObject({
      received: stdout.length,
      datagrams: { received: replies.length, sent: 1 },
      reason: "end",
    });
    expect(closed?.duration).toBeGreaterThanOrEqual(690);
  });

  test("for no more than --replies, and ends well before --wait", async () => {
    const peer = await udpPeer();
    const place = ["127.0.0.1", String(peer.port)];
    const tool = new Tool(["udp", "send", ...place, "?", "--replies", "2", "--wait", "25s"]);
    const { from } = await peer.next();
    for (const reply of ["a", "b", "c"]) await peer.send(reply, from.port);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("ab") });
    expect(tool.all("closed")[0]?.duration).toBeLessThan(15_000);
  });

  test("for --replies while stdin is still open", async () => {
    const peer = await udpPeer();
    const place = ["127.0.0.1", String(peer.port)];
    const tool = new Tool(["udp", "send", ...place, "--lines", "--replies", "1"]);
    tool.stdin.write("?\n");
    await peer.send("!", (await peer.next()).from.port);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("!") });
  });

  test.each([
    { wait: ["--wait", "500ms"], least: 490 },
    { wait: [], least: 1990 },
  ])(
    "for --replies no longer than --wait $wait (2 s unless given): too few are code 5",
    async ({ wait, least }) => {
      const peer = await udpPeer();
      const place = ["127.0.0.1", String(peer.port)];
      const tool = new Tool(["udp", "send", ...place, "?", "--replies", "2", ...wait]);
      await peer.send("one", (await peer.next()).from.port);
      expect(await tool.ended).toMatchObject({ code: 5, stdout: Buffer.from("one") });
      expect(tool.all("error")).toMatchObject([{ code: "ETIMEDOUT", exitCode: 5 }]);
      const [closed] = tool.all("closed");
      expect(closed).toMatchObject({ datagrams: { received: 1, sent: 1 } });
      expect(closed?.duration).toBeGreaterThanOrEqual(least);
    },
  );

  test("for the one it sent to: a stranger's datagram is no answer", async () => {
    const [peer, stranger] = [await udpPeer(), await udpPeer()];
    const place = ["127.0.0.1", String(peer.port)];
    const tool = new Tool(["udp", "send", ...place, "?", "--replies", "1", "--wait", "20s"]);
    const { from } = await peer.next();
    await stranger.send("stranger", from.port);
    await peer.send("answer", from.port);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("answer") });
  });

  test("not at all without --wait and --replies", async () => {
    const peer = await udpPeer();
    const tool = new Tool(["udp", "send", "127.0.0.1", String(peer.port), "?"]);
    const { code } = await tool.ended;
    expect([code, tool.all("closed")[0]?.datagrams]).toEqual([0, { received: 0, sent: 1 }]);
  });

  test.each([
    { what: "stdin", args: [], before: "warning" },
    { what: "a line", args: ["--lines"], before: "datagram" },
    { what: "answers", args: ["?", "--wait", "25s"], before: "datagram" },
  ] as const)("for $what until a signal or --timeout ends it", async ({ args, before }) => {
    for (const [option, exitCode] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
      ["--timeout", 5],
    ] as const) {
      const peer = await udpPeer();
      const timeout = option === "--timeout" ? ["--timeout", "700ms"] : [];
      const tool = new Tool(["udp", "send", "127.0.0.1", String(peer.port), ...args, ...timeout]);
      tool.stdin.write("begun\n");
      if (option !== "--timeout") {
        if (before === "warning") await tool.event("warning");
        else await peer.next();
        tool.child.kill(option);
      }
      expect(await tool.ended).toMatchObject({ code: exitCode, stdout: Buffer.alloc(0) });
      expect(tool.all("error")).toMatchObject([{ exitCode }]);
      if (before === "warning") expect(peer.received).toEqual([]);
    }
  });
});

/** The TTL that a datagram arrives with, which Node cannot see: python3 says port, then TTL. */
const ttlWatcher = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 12, 1)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
data, control, _, _ = s.recvmsg(100, 100)
print(int.from_bytes(control[0][2], "little"), flush=True)
`;
const onLinuxWith = (program: string, ...args: string[]) =>
  process.platform === "linux" && spawnSync(program, args).status === 0;
const hasPython = onLinuxWith("python3", "--version");
const hasSs = onLinuxWith("ss", "--version");

/** What ss(8) tells of the buffers of the socket on this port. */
async function buffersOf(port: number): Promise<{ receive: number; send: number }> {
  const ss = spawn("ss", ["-Huanm", `sport = :${String(port)}`]);
  let output = "";
  ss.stdout.on("data", (text) => (output += String(text)));
  await once(ss, "close");
  const [, receive, send] = /skmem:\(r\d+,rb(\d+),t\d+,tb(\d+)/.exec(output) ?? [];
  return { receive: Number(receive), send: Number(send) };
}

describe("UDP sockets are told", () => {
  test.skipIf(!hasPython).each(["7", "255"])(
    "how far a datagram may go, by --ttl %s",
    async (ttl) => {
      const watcher = spawn("python3", ["-c", ttlWatcher], { stdio: ["ignore", "pipe", "ignore"] });
      onTestFinished(() => void watcher.kill("SIGKILL"));
      const lines = createInterface(watcher.stdout)[Symbol.asyncIterator]();
      const port = String((await lines.next()).value);
      expect(
        (await new Tool(["udp", "send", "127.0.0.1", port, "x", "--ttl", ttl]).ended).code,
      ).toBe(0);
      expect((await lines.next()).value).toBe(ttl);
    },
  );

  test.skipIf(!hasSs)("the sizes of their buffers", async () => {
    const args = ["--receive-buffer", "64k", "--send-buffer", "32KiB", "--count", "1"];
    const tool = new Tool(["udp", "bind", "127.0.0.1", "0", ...args], { stdin: "null" });
    const port = await tool.port();
    // Linux doubles what it is told, for its own overhead (socket(7)).
    expect(await buffersOf(port)).toEqual({ receive: 128 << 10, send: 64 << 10 });
    await (await udpPeer()).send("x", port);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("x") });
  });

  test("to send to a broadcast address with --broadcast, and say that it is missing", async () => {
    const tool = new Tool(["udp", "bind", "-4", "0", "--count", "1"], { stdin: "null" });
    const place = ["127.255.255.255", String(await tool.port())];
    const refused = new Tool(["udp", "send", ...place, "refused"]);
    expect((await refused.ended).code).toBe(1);
    expect(refused.all("error")).toMatchObject([{ code: "EACCES", exitCode: 1 }]);
    expect(refused.all("error")[0]?.message).toContain("--broadcast");
    const sender = new Tool(["udp", "send", ...place, "to all", "--broadcast"]);
    expect((await sender.ended).code).toBe(0);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("to all") });
  });

  test.skipIf(!hasReusePort || process.platform !== "linux")(
    "to share a port by --reuse-port",
    async () => {
      const bind = (port: number) =>
        new Tool(["udp", "bind", "127.0.0.1", String(port), "--reuse-port"], { stdin: "null" });
      const first = bind(0);
      const port = await first.port();
      const second = bind(port);
      expect(await second.port()).toBe(port);
      // The system shares out by sender: enough of them reach both.
      for (let n = 0; n < 40; n++) await (await udpPeer()).send("x", port);
      await Promise.all([first.outputs("x"), second.outputs("x")]);
      const stranger = new Tool(["udp", "bind", "127.0.0.1", String(port)], { stdin: "null" });
      expect((await stranger.ended).code).toBe(7);
    },
  );

  test.skipIf(hasReusePort)("that --reuse-port needs a later Node, with code 2", async () => {
    for (const args of [
      ["bind", "127.0.0.1", "0"],
      ["send", "127.0.0.1", "9", "x"],
    ]) {
      const tool = new Tool(["udp", ...args, "--reuse-port"]);
      expect((await tool.ended).code).toBe(2);
      expect(tool.all("error")[0]?.message).toMatch(/--reuse-port needs Node 22\.12/);
    }
  });

  test("no interface that is not there", async () => {
    const args = ["udp", "bind", "0", "--join", "239.1.2.3%nosuch0"];
    const tool = new Tool(args, { stdin: "null" });
    expect((await tool.ended).code).toBe(1);
    expect(tool.all("error")).toMatchObject([{ code: "ENODEV", exitCode: 1 }]);
    expect(tool.all("error")[0]?.message).toMatch(/nosuch0 \(ENODEV\); there are .*/);
  });
});

interface Multicast {
  group: string;
  iface: string;
  source?: string;
}

const multicasts: Multicast[] = [
  { group: "239.1.2.3", iface: loopback },
  { group: "239.1.2.3", iface: "127.0.0.1" },
  { group: "232.1.2.3", iface: loopback, source: "127.0.0.1" },
  { group: "ff02::4321", iface: loopback },
  { group: "ff15::4321", iface: loopback },
  { group: "ff35::4321", iface: loopback, source: "::1" },
];
const heardOnLoopback = await Promise.all(
  multicasts.map(({ group, source }) => loopbackMulticast(group, loopback, source)),
);

describe("multicast on the loopback interface", () => {
  for (const [index, { group, iface, source }] of multicasts.entries()) {
    const membership = `${source === undefined ? "" : `${source}@`}${group}%${iface}`;
    test.skipIf(!heardOnLoopback[index])(`--join ${membership} hears the group`, async () => {
      const tool = new Tool(["udp", "bind", "0", "--join", membership, "--count", "2"], {
        stdin: "null",
      });
      const port = await tool.port();
      const ours = group.includes(":") ? "::1" : "127.0.0.1";
      const peer = await udpPeer(ours);
      peer.socket.setMulticastInterface(ours === "::1" ? `::%${loopback}` : ours);
      await peer.send("from a peer\n", port, group);
      await tool.event("datagram");
      const place = ours === "::1" ? `${group}%${loopback}` : group;
      const args = ["udp", "send", place, String(port), "from ours\n", "--source", ours];
      expect((await new Tool([...args, "--loopback", "--ttl", "1"]).ended).code).toBe(0);
      const stdout = Buffer.from("from a peer\nfrom ours\n");
      expect(await tool.ended).toMatchObject({ code: 0, stdout });
      expect(tool.all("datagram")).toMatchObject([
        { from: { address: ours, port: peer.port } },
        { from: { address: ours } },
      ]);
    });
  }

  test.skipIf(!heardOnLoopback[2])("--join source@group does not hear another source", async () => {
    const membership = `127.0.0.8@232.1.2.4%${loopback}`;
    const args = ["udp", "bind", "0", "--join", membership, "--count", "1"];
    const tool = new Tool(args, { stdin: "null" });
    const port = await tool.port();
    for (const [address, text] of [
      ["127.0.0.1", "other"],
      ["127.0.0.8", "wanted"],
    ] as const) {
      const peer = await udpPeer(address);
      peer.socket.setMulticastInterface("127.0.0.1");
      await peer.send(text, port, "232.1.2.4");
    }
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("wanted") });
  });

  test.skipIf(!heardOnLoopback[0])("two programs are members of one group", async () => {
    const place = ["0.0.0.0", "--join", `239.1.2.5%${loopback}`, "--count", "1"];
    const bind = (port: number) =>
      new Tool(["udp", "bind", ...place.slice(0, 1), String(port), ...place.slice(1)], {
        stdin: "null",
      });
    const first = bind(0);
    const port = await first.port();
    const second = bind(port);
    expect(await second.port()).toBe(port);
    const peer = await udpPeer();
    peer.socket.setMulticastInterface("127.0.0.1");
    await peer.send("to all members", port, "239.1.2.5");
    for (const { code, stdout } of await Promise.all([first.ended, second.ended]))
      expect([code, stdout.toString()]).toEqual([0, "to all members"]);
  });

  test("several groups can be joined at once", async () => {
    const groups = ["239.1.2.6", "239.1.2.7"].map((group) => `${group}%${loopback}`);
    const joins = groups.flatMap((group) => ["--join", group]);
    const tool = new Tool(["udp", "bind", "0", ...joins, "--count", "1"], { stdin: "null" });
    await (await udpPeer()).send("unicast too", await tool.port());
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("unicast too") });
  });
});

describe("a usage error, code 2, before anything is opened:", () => {
  test.each<[string, string[], RegExp]>([
    ["no port", ["bind"], /port/],
    ["a port out of range", ["bind", "65536"], /0 to 65535/],
    ["a port that is no number", ["bind", "80x"], /80x/],
    ["--local and a host", ["bind", "--local", "127.0.0.1", "0"], /--local/],
    ["both families", ["bind", "-4", "-6", "0"], /-4.*-6|-6.*-4/],
    ["a host of the other family", ["bind", "-6", "127.0.0.1", "0"], /IPv4/],
    ["--count 0", ["bind", "0", "--count", "0"], /whole number from 1/],
    ["--chunk 0", ["bind", "0", "--chunk", "0"], /size/],
    ["--chunk over a datagram", ["bind", "0", "--chunk", "65508"], /65507/],
    [
      "--lines and --chunk",
      ["bind", "0", "--lines", "--chunk", "9"],
      /--lines.*--chunk|--chunk.*--lines/,
    ],
    ["--peer with port 0", ["bind", "0", "--peer", "127.0.0.1:0"], /1 to 65535/],
    ["an unknown unit", ["bind", "0", "--timeout", "5y"], /250ms/],
    ["-i 0", ["bind", "0", "-i", "0"], /longer than 0/],
    ["--ttl 0", ["bind", "0", "--ttl", "0"], /1 to 255/],
    ["--ttl 256", ["send", "127.0.0.1", "9", "x", "--ttl", "256"], /1 to 255/],
    ["--join no group", ["bind", "0", "--join", "10.0.0.1"], /multicast group/],
    ["--join of mixed families", ["bind", "0", "--join", "::1@239.1.2.3"], /multicast group/],
    ["--join of the other family", ["bind", "-6", "0", "--join", "239.1.2.3"], /IPv4/],
    ["--receive-buffer 0", ["bind", "0", "--receive-buffer", "0"], /size/],
    ["send without a port", ["send", "127.0.0.1"], /port/],
    ["send to port 0", ["send", "127.0.0.1", "0", "x"], /1 to 65535/],
    ["a word too many", ["send", "127.0.0.1", "9", "x", "y"], /too many/],
    ["odd hex digits", ["send", "127.0.0.1", "9", "--message-hex", "abc"], /pairs of hex digits/],
    ["two messages", ["send", "127.0.0.1", "9", "x", "--message-hex", "00"], /--message-hex/],
    ["a message and --lines", ["send", "127.0.0.1", "9", "x", "--lines"], /--lines/],
    ["a message and --chunk", ["send", "127.0.0.1", "9", "x", "--chunk", "9"], /--chunk/],
    ["--replies 0", ["send", "127.0.0.1", "9", "x", "--replies", "0"], /whole number from 1/],
    ["--source of the other family", ["send", "127.0.0.1", "9", "x", "--source", "::1"], /IPv6/],
    [
      "a --source that is a name",
      ["send", "127.0.0.1", "9", "x", "--source", "localhost"],
      /numeric/,
    ],
    ["--peer of the other family", ["bind", "-4", "0", "--peer", "[::1]:9"], /IPv6/],
  ])("%s", async (_, args, words) => {
    const tool = new Tool(["udp", ...args]);
    const { code, stdout } = await tool.ended;
    expect([code, stdout.length]).toEqual([2, 0]);
    expect(tool.events().map(({ event }) => event)).toEqual(["error"]);
    expect(tool.all("error")[0]).toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(words) as string,
    });
  });
});

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { describe, expect, onTestFinished, test } from "vitest";
import { authority, issue } from "../helpers/certificates.ts";
import {
  content,
  descriptorOf,
  fileWith,
  mebibyte,
  newFile,
  sha256,
  silence,
} from "../helpers/content.ts";
import { httpServer, rawServer } from "../helpers/http-servers.ts";
import { fileInput, pipeInput, unread } from "../helpers/input.ts";
import { watchMemory } from "../helpers/processes.ts";
import { hasTerminals, onTerminal } from "../helpers/pseudo-terminal.ts";
import { startServer } from "../helpers/sockets.ts";
import {
  bin,
  portcat,
  Running,
  temporaryFolder,
  Tool,
  type StartOptions,
} from "../helpers/tool.ts";

const unix = test.skipIf(process.platform === "win32");

const requesting = (args: readonly string[], options: StartOptions = {}) =>
  new Tool(["http", "request", ...args], { stdin: "null", ...options });

/** The one error of a run. */
const errorOf = (tool: Tool) => {
  const errors = tool.all("error");
  expect(errors).toHaveLength(1);
  return errors[0];
};

describe("an answer", () => {
  test("may have words and headers in UTF-8", async () => {
    const head = Buffer.from("HTTP/1.1 404 Grüße\r\nX-Name: bücher\r\nContent-Length: 0\r\n\r\n");
    const { url } = await rawServer(head.toString("latin1"));
    const tool = requesting([url, "--fail", "--include"]);
    const { code, stdout } = await tool.ended;
    expect([code, stdout.equals(head)]).toEqual([11, true]);
    const [response] = tool.all("response");
    expect(response).toMatchObject({ reason: "Grüße" });
    expect(response?.headers).toContainEqual(["X-Name", "bücher"]);
    expect(errorOf(tool)?.message).toContain("404 Grüße");
  });

  test("goes to stdout byte for byte, and is told with its head and its times", async () => {
    const { bytes } = content(mebibyte);
    const { origin, asked } = await httpServer((_, response) => {
      response.writeHead(200, "Fine", [
        ["X-Twice", "1"],
        ["x-twice", "2"],
      ]);
      response.end(bytes);
    });
    const tool = requesting([`${origin}/a?b=c#d`]);
    const { code, stdout } = await tool.ended;
    expect(code).toBe(0);
    expect(stdout.equals(bytes)).toBe(true);
    expect(asked).toMatchObject([{ method: "GET", url: "/a?b=c", body: Buffer.alloc(0) }]);
    expect(asked[0]?.headers).toMatchObject({ accept: "*/*", connection: "keep-alive" });
    expect(asked[0]?.headers["user-agent"]).toMatch(/^portcat\/\d+\.\d+\.\d+/);
    expect(`http://${asked[0]?.headers.host ?? ""}`).toBe(origin);
    expect(tool.events().map(({ event }) => event)).toEqual([
      "connected",
      "response",
      "timing",
      "closed",
    ]);
    const [response] = tool.all("response");
    expect(response).toMatchObject({ id: 1, status: 200, reason: "Fine", version: "1.1" });
    expect(response?.headers?.slice(0, 2)).toEqual([
      ["X-Twice", "1"],
      ["x-twice", "2"],
    ]);
    expect(tool.all("timing")).toMatchObject([{ id: 1, resolve: null, tls: null }]);
    const { connect, firstByte, total } = tool.all("timing")[0] ?? {};
    expect(connect).toBeGreaterThan(0);
    expect(total).toBeGreaterThan((connect ?? 0) + (firstByte ?? 0) - 0.2);
    expect(tool.all("closed")).toMatchObject([{ received: mebibyte, sent: 0, reason: "end" }]);
  });

  test("is three lines for people, and its times and headers with -v", async () => {
    const { origin } = await httpServer((_, response) => {
      response.writeEarlyHints({ link: "</style.css>; rel=preload" });
      response.end("hello\n");
    });
    const brief = (await portcat(["http", "request", origin]).ended).stderr.split("\n");
    expect(brief).toEqual([
      expect.stringMatching(/connected: 127/) as string,
      "portcat: HTTP/1.1 200 OK",
      expect.stringMatching(/closed: 127.* received 6 bytes, sent 0 bytes/) as string,
      "",
    ]);
    const { stderr } = await portcat(["http", "request", origin, "-v"]).ended;
    expect(stderr).toMatch(/HTTP\/1\.1 103 Early Hints; Link: <\/style\.css>/i);
    expect(stderr).toMatch(/HTTP\/1\.1 200 OK; Date: /);
    expect(stderr).toMatch(/timing: connect [\d.]+ ms, first byte [\d.]+ ms, total [\d.]+ ms/);
  });

  test("has its head before it with --include, also where it has no body", async () => {
    const head = "HTTP/1.1 200 Sure\r\nX-Odd:  a\xe9 \r\nSet-Cookie: a\r\nset-cookie: b\r\n";
    const server = await rawServer(`${head}Content-Length: 2\r\n\r\nhi`);
    const { stdout, code } = await requesting([server.url, "--include"]).ended;
    expect(stdout.toString("latin1")).toBe(
      "HTTP/1.1 200 Sure\r\nX-Odd: a\xe9\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 2\r\n\r\nhi",
    );
    const headed = await requesting([server.url, "--include", "-X", "head"]).ended;
    expect(headed.stdout.toString("latin1")).toMatch(/Content-Length: 2\r\n\r\n$/);
    expect([code, headed.code]).toEqual([0, 0]);
    expect(server.requests()[1]).toMatch(/^HEAD \/ HTTP\/1\.1\r\n/);
  });

  test.each([
    ["until the end of the connection", "HTTP/1.0 200 OK\r\n\r\nold"],
    [
      "in chunks",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nol\r\n1\r\nd\r\n0\r\n\r\n",
    ],
  ])("that goes %s is whole", async (_, bytes) => {
    const { url } = await rawServer(bytes);
    expect(await requesting([url]).ended).toMatchObject({ code: 0, stdout: Buffer.from("old") });
  });

  test("ends the run at once, whatever the server leaves open", async () => {
    const { url } = await rawServer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "stay");
    expect(await requesting([url, "--timeout", "20s"]).ended).toMatchObject({ code: 0 });
  });

  test("that is whole is exit code 0, also with something behind it", async () => {
    const { url } = await rawServer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi there");
    expect(await requesting([url]).ended).toMatchObject({ code: 0, stdout: Buffer.from("hi") });
  });

  test("of status 400 and up is exit code 0, and 11 with --fail, its body written", async () => {
    const { origin } = await httpServer((_, response) => response.writeHead(404).end("none\n"));
    const stdout = Buffer.from("none\n");
    expect(await requesting([origin]).ended).toMatchObject({ code: 0, stdout });
    const tool = requesting([`${origin}/x?secret`, "--fail"]);
    expect(await tool.ended).toMatchObject({ code: 11, stdout });
    expect(errorOf(tool)).toMatchObject({
      ...{
        exitCode: 11,
        code: "ESTATUS",
        address: "127.0.0.1",
        port: Number(new URL(origin).port),
      },
    });
    expect(errorOf(tool)?.message).toBe(`${origin}/x answered 404 Not Found (ESTATUS)`);
    expect(tool.all("closed")).toMatchObject([{ reason: "end" }]);
    const { origin: good } = await httpServer((_, response) => response.writeHead(399).end());
    expect((await requesting([good, "--fail"]).ended).code).toBe(0);
  });

  const whole = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
  const chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
  test.each([
    ["before its length", whole, "end", "ESHORT", /broke off after 3 of 10 bytes: the connection/],
    ["in a reset", whole, "reset", "ECONNRESET", /broke off after 3 of 10 bytes: connection reset/],
    ["before its last chunk", chunk, "end", "ESHORT", /broke off after 3 bytes/],
    ["in nonsense", `${chunk}zz\r\n`, "stay", "HPE_INVALID_CHUNK_SIZE", /after 3 bytes: Invalid/],
  ] as const)(
    "that breaks off %s is code 8, with what arrived",
    async (_, bytes, then, code, why) => {
      // What is behind a reset, the system drops: it waits until the rest has been read.
      const { port, client } = await startServer();
      const tool = requesting([`127.0.0.1:${String(port)}`]);
      const { socket } = await client();
      socket.write(bytes);
      if (then !== "stay") await tool.outputs("abc");
      if (then === "end") socket.end();
      if (then === "reset") socket.resetAndDestroy();
      expect(await tool.ended).toMatchObject({ code: 8, stdout: Buffer.from("abc") });
      expect(errorOf(tool)).toMatchObject({ exitCode: 8, code, port });
      expect(errorOf(tool)?.message).toMatch(why);
      expect(tool.all("closed")).toMatchObject([{ received: 3, reason: code }]);
    },
  );

  const manyHeaders = `X: ${"y".repeat(1000)}\r\n`.repeat(300);
  test.each([
    ["nothing at all", "", "end", "ECONNRESET", /no answer from 127.*: it closed the connection/],
    ["a reset", "", "reset", "ECONNRESET", /no answer from 127.*: connection reset by the peer/],
    [
      "something else",
      "220 mail.test\r\n",
      "end",
      "HPE_INVALID_CONSTANT",
      /not answer in HTTP\/1: /,
    ],
    [
      "a head without an end",
      `HTTP/1.1 200 OK\r\n${manyHeaders}`,
      "stay",
      "HPE_HEADER_OVERFLOW",
      /larger than 262144 bytes/,
    ],
    [
      "another protocol",
      "HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n",
      "stay",
      "EPROTONOSUPPORT",
      /switched to chat/,
    ],
    ["another, unnamed", "HTTP/1.1 101 Yes\r\n\r\n", "stay", "EPROTONOSUPPORT", /another protocol/],
  ] as const)("that is %s is code 8, and nothing is written", async (_, bytes, then, code, why) => {
    const { url } = await rawServer(bytes, then);
    const tool = requesting([url]);
    expect(await tool.ended).toMatchObject({ code: 8, stdout: Buffer.alloc(0) });
    expect(errorOf(tool)).toMatchObject({ exitCode: 8, code });
    expect(errorOf(tool)?.message).toMatch(why);
  });

  test("that never comes, or stops, is over after -i and --timeout, code 5", async () => {
    const { url } = await rawServer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "stay");
    const idle = requesting([url, "-i", "200ms"]);
    expect(await idle.ended).toMatchObject({ code: 5, stdout: Buffer.from("abc") });
    expect(errorOf(idle)).toMatchObject({ code: "EIDLE", exitCode: 5 });
    const silent = await startServer();
    const late = requesting([`127.0.0.1:${String(silent.port)}`, "--timeout", "300ms"]);
    expect(await late.ended).toMatchObject({ code: 5 });
    expect(errorOf(late)).toMatchObject({ code: "ETIMEDOUT", exitCode: 5 });
  });

  test("that a signal interrupts is code 128 + n, with what arrived", async () => {
    const { url } = await rawServer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "stay");
    const tool = requesting([url]);
    await tool.outputs("abc");
    tool.child.kill("SIGINT");
    expect(await tool.ended).toMatchObject({ code: 130, stdout: Buffer.from("abc") });
    expect(errorOf(tool)?.message).toContain("ended by SIGINT after 3 bytes received");
  });

  test.skipIf(!existsSync("/dev/full"))("on a full disk is code 1", async () => {
    const { origin } = await httpServer((_, response) => response.end("hello"));
    const tool = requesting([origin], { stdout: descriptorOf("/dev/full", "w") });
    expect((await tool.ended).code).toBe(1);
    expect(errorOf(tool)).toMatchObject({ code: "ENOSPC", exitCode: 1 });
  });

  unix("whose reader goes away is code 141, and the server is left", async () => {
    const { origin } = await httpServer((_, response) => {
      const more = () => {
        while (response.write(Buffer.alloc(65536, "x")));
      };
      response.on("drain", more);
      more();
    });
    const tool = requesting([origin]);
    await tool.outputs("xxxx");
    tool.output.destroy();
    expect((await tool.ended).code).toBe(141);
  });

  unix("is held up by a slow stdout, and takes no memory for it", async () => {
    const size = 64 * mebibyte;
    const { bytes, hash } = content(size);
    const { origin } = await httpServer((_, response) => response.end(bytes));
    const tool = requesting([origin], {});
    const most = watchMemory(tool);
    tool.output.pause();
    await tool.event("response");
    // The server cannot send it all: the system holds a few MiB, and we little.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(most()).toBeLessThan(130 * mebibyte);
    tool.output.resume();
    const { code, stdout } = await tool.ended;
    expect([code, sha256(stdout)]).toEqual([0, hash]);
  });

  test.skipIf(!hasTerminals)("is made safe for a terminal, but with --raw", async () => {
    const { origin } = await httpServer((_, response) => response.end("\x1b[2Jx\n"));
    const safe = await onTerminal(["http", "request", origin, "-q"], "</dev/null").ended;
    expect(safe.stdout.toString()).toBe("^[[2Jx\r\n");
    const raw = await onTerminal(["http", "request", origin, "-q", "--raw"], "</dev/null").ended;
    expect(raw.stdout.toString()).toBe("\x1b[2Jx\r\n");
  });
});

describe("a request", () => {
  const echo = () => httpServer((_, response) => response.end("ok"));

  test.each([
    ["plain text", "hello", "text/plain; charset=utf-8"],
    ["an object", ' {"a": [1]}', "application/json"],
    ["an array", "[]", "application/json"],
    ["what only looks like an object", "{a}", "text/plain; charset=utf-8"],
    ["a number", "5", "text/plain; charset=utf-8"],
    ["nothing", "", "text/plain; charset=utf-8"],
  ])("has %s as its body, and says what it is", async (_, text, type) => {
    const { origin, asked } = await echo();
    const tool = requesting([origin, "-d", text]);
    expect(await tool.ended).toMatchObject({ code: 0 });
    expect(asked).toMatchObject([{ method: "POST", body: Buffer.from(text) }]);
    expect(asked[0]?.headers).toMatchObject({
      "content-type": type,
      "content-length": String(Buffer.byteLength(text)),
    });
    expect(tool.all("closed")).toMatchObject([{ sent: Buffer.byteLength(text), received: 2 }]);
  });

  test("has the headers that are typed, in the place of ours, and leaves out those without a value", async () => {
    const { origin, asked } = await echo();
    const headers = ["X-One: 1", "x-one:2", "user-agent: me", "Accept:", "Content-Type: text/x"];
    const flags = headers.flatMap((each) => ["-H", each]);
    await requesting([origin, "-X", "pUt", "-d", "x", ...flags]).ended;
    expect(asked[0]?.method).toBe("PUT");
    const { rawHeaders = [] } = asked[0] ?? {};
    expect(rawHeaders.slice(2)).toEqual([
      ...["Content-Length", "1", "X-One", "1", "x-one", "2", "user-agent", "me"],
      ...["Content-Type", "text/x", "Connection", "keep-alive"],
    ]);
  });

  test.each(["Content-Length: 5", "Trailer: X", "Transfer-Encoding: gzip"])(
    "has no header '%s', for it follows from the body",
    async (header) => {
      const tool = requesting(["http://127.0.0.1:1/", "-d", "x", "-H", header]);
      expect((await tool.ended).code).toBe(2);
      expect(errorOf(tool)?.message).toMatch(/ follows from the body, and cannot be given$/);
    },
  );

  test.skipIf(process.platform !== "linux")(
    "is sent whole of a file whose size the system does not tell",
    async () => {
      const { origin, asked } = await echo();
      expect((await requesting([origin, "-d", "@/proc/self/status"]).ended).code).toBe(0);
      expect(asked[0]?.body.toString()).toMatch(/^Name:\t\S+\n[^]*\n$/);
    },
  );

  test.skipIf(process.getuid?.() !== 0)(
    "of a file that we may not read is known before anything is opened",
    async () => {
      const path = join(temporaryFolder(), "body");
      chmodSync(dirname(path), 0o755);
      writeFileSync(path, "secret", { mode: 0o600 });
      const tool = requesting(["http://127.0.0.1:1/", "-d", `@${path}`], { uid: 65534 });
      expect((await tool.ended).code).toBe(1);
      expect(errorOf(tool)?.message).toBe(`cannot read ${path}: permission denied (EACCES)`);
    },
  );

  test.each([
    ["closes", 200, 8],
    ["closes", 413, 11],
    ["resets", 200, 8],
    ["resets", 413, 11],
  ])(
    "that a server %s upon, behind its %i, is an answer and exit code %i, and no success",
    async (how, status, exitCode) => {
      const { port, client } = await startServer();
      const path = join(temporaryFolder(), "body");
      writeFileSync(path, Buffer.alloc(64 * mebibyte));
      const url = `http://127.0.0.1:${String(port)}/`;
      const tool = requesting([url, "-d", `@${path}`, "--fail"]);
      const peer = await client();
      const { socket } = peer;
      while (peer.received().length < mebibyte) await once(socket, "data");
      socket.pause();
      socket.write(`HTTP/1.1 ${String(status)} X\r\nContent-Length: 3\r\n\r\nabc`);
      await tool.event("response");
      if (how === "resets") socket.resetAndDestroy();
      else socket.destroy();
      const { code, stdout } = await tool.ended;
      expect([code, stdout.toString()]).toEqual([exitCode, "abc"]);
      expect(tool.all("closed")).toMatchObject([{ received: 3 }]);
      expect(errorOf(tool)?.code).toBe(status === 200 ? "EUNWANTED" : "ESTATUS");
    },
  );

  unix(
    "of a FIFO that nobody writes to holds up neither --timeout nor what is written later",
    async () => {
      const path = join(temporaryFolder(), "fifo");
      execFileSync("mkfifo", [path]);
      const { origin, asked } = await echo();
      const late = requesting([origin, "-d", `@${path}`, "--timeout", "500ms"]);
      expect((await late.ended).code).toBe(5);
      const tool = requesting([origin, "-d", `@${path}`]);
      await tool.event("connected");
      writeFileSync(path, "written later");
      expect((await tool.ended).code).toBe(0);
      expect(asked.at(-1)?.body.toString()).toBe("written later");
    },
  );

  test("from a pipe that pauses is sent whole to a server that has answered already", async () => {
    const bodies: Promise<string>[] = [];
    const answer: RequestListener = (request, response) => {
      bodies.push(text(request));
      response.end("ok");
    };
    const early = createServer(answer);
    onTestFinished(() => void early.close());
    early.listen(0, "127.0.0.1");
    await once(early, "listening");
    const { port } = early.address() as AddressInfo;
    const url = `http://127.0.0.1:${String(port)}/`;
    const tool = requesting([url, "-d", "-"], { stdin: "pipe" });
    tool.stdin.write("one\n");
    await tool.event("response");
    await silence(400);
    tool.stdin.write("two\n");
    await silence(400);
    tool.stdin.end("three\n");
    const { code, stdout } = await tool.ended;
    expect([code, stdout.toString()]).toEqual([0, "ok"]);
    expect(await Promise.all(bodies)).toEqual(["one\ntwo\nthree\n"]);
  });

  test("without a body says so where one is expected, and nowhere else", async () => {
    const { origin, asked } = await echo();
    await requesting([origin, "-X", "POST"]).ended;
    await requesting([origin, "-X", "DELETE"]).ended;
    await requesting([origin, "-X", "SEARCH"]).ended;
    expect(asked.map(({ headers }) => headers["content-length"])).toEqual(["0", undefined, "0"]);
    for (const { headers } of asked) expect(headers).not.toHaveProperty("transfer-encoding");
  });

  unix("without --data leaves stdin to others", async () => {
    const { origin } = await echo();
    const stdin = fileInput("for somebody else");
    expect((await requesting([origin], { stdin: stdin.descriptor }).ended).code).toBe(0);
    expect(unread(stdin)).toBe("for somebody else");
  });

  const { bytes, hash } = content(5 * mebibyte);

  test("sends a file with its length, named or as stdin", async () => {
    const { origin, asked } = await echo();
    const path = join(temporaryFolder(), "body");
    writeFileSync(path, bytes);
    await requesting([origin, "-d", `@${path}`]).ended;
    await requesting([origin, "-d", "-"], { stdin: fileWith(bytes) }).ended;
    for (const { headers, body } of asked) {
      expect(sha256(body)).toBe(hash);
      expect(headers["content-type"]).toBeUndefined();
    }
    const length = process.platform === "linux" ? String(bytes.length) : undefined;
    expect(asked.map(({ headers }) => headers["content-length"])).toEqual([
      String(bytes.length),
      length,
    ]);
  });

  unix("sends a pipe in chunks as they come, its head first", async () => {
    const { port, client } = await startServer();
    const stdin = pipeInput();
    const tool = requesting([`127.0.0.1:${String(port)}`, "-d", "-"], { stdin: stdin.descriptor });
    const peer = await client();
    const until = async (text: string) => {
      while (!peer.received().includes(text))
        await new Promise((resolve) => peer.socket.once("data", resolve));
    };
    await until("Transfer-Encoding: chunked\r\n");
    await until("\r\n\r\n");
    stdin.send("one\n");
    await until("4\r\none\n\r\n");
    stdin.send("three\n");
    await until("6\r\nthree\n\r\n");
    stdin.end();
    await until("0\r\n\r\n");
    peer.socket.write("HTTP/1.1 204 No Content\r\n\r\n");
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.alloc(0) });
    expect(tool.all("closed")).toMatchObject([{ sent: 10, received: 0 }]);
  });

  test.skipIf(process.platform !== "linux")(
    "sends the rest of a file that was read in part",
    async () => {
      const { origin, asked } = await echo();
      const descriptor = fileWith("first\nrest\n");
      const script = `read line; exec "$0" "$@"`;
      const args = [process.execPath, bin, "http", "request", origin, "-d", "-", "-q"];
      const tool = new Running("bash", ["-c", script, ...args], { stdin: descriptor });
      expect((await tool.ended).code).toBe(0);
      expect(asked[0]?.body.toString()).toBe("rest\n");
      expect(asked[0]?.headers["content-length"]).toBe("5");
    },
  );

  test("that is refused before it has been sent shows the answer, and is code 8, or 11 with --fail", async () => {
    const big = join(temporaryFolder(), "body");
    writeFileSync(big, Buffer.alloc(32 * mebibyte));
    for (const flags of [[], ["--fail"]]) {
      const { port, client } = await startServer();
      const tool = requesting([`127.0.0.1:${String(port)}`, "-d", `@${big}`, ...flags]);
      const { socket } = await client();
      await new Promise((resolve) => socket.once("data", resolve));
      socket.pause();
      // With what was not read still there, the system resets the connection behind the answer.
      socket.write("HTTP/1.1 413 No\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge", () =>
        socket.destroy(),
      );
      const { code, stdout } = await tool.ended;
      expect(stdout.toString()).toBe("large");
      expect(code).toBe(flags.length === 0 ? 8 : 11);
      if (code === 8) expect(errorOf(tool)?.message).toMatch(/answered 413 before it had the body/);
    }
  });

  test("to a server that answers 400 and reads no more is over a second later", async () => {
    const big = join(temporaryFolder(), "body");
    writeFileSync(big, Buffer.alloc(32 * mebibyte));
    const { port, client } = await startServer();
    const tool = requesting([`127.0.0.1:${String(port)}`, "-d", `@${big}`]);
    const { socket } = await client();
    await new Promise((resolve) => socket.once("data", resolve));
    socket.pause();
    socket.write("HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\nno");
    expect(await tool.ended).toMatchObject({ code: 8, stdout: Buffer.from("no") });
    expect(errorOf(tool)?.code).toBe("EUNWANTED");
  });

  describe("with Expect: 100-continue", () => {
    const expecting = async (body: string) => {
      const { port, client } = await startServer();
      const flags = ["-H", "Expect: 100-continue", "-d", body];
      const tool = requesting([`127.0.0.1:${String(port)}`, ...flags]);
      const peer = await client();
      await new Promise((resolve) => peer.socket.once("data", resolve));
      expect(peer.received().toString()).toMatch(/\r\n\r\n$/);
      return { tool, peer };
    };

    test("waits for the server's word", async () => {
      const { tool, peer } = await expecting("body");
      peer.socket.write("HTTP/1.1 100 Continue\r\n\r\n");
      await new Promise((resolve) => peer.socket.once("data", resolve));
      expect(peer.received().toString()).toMatch(/\r\n\r\nbody$/);
      peer.socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      expect((await tool.ended).code).toBe(0);
      expect(tool.all("response").map(({ status }) => status)).toEqual([100, 200]);
    });

    test("sends nothing to a server that says no", async () => {
      const { tool, peer } = await expecting("body");
      peer.socket.write("HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno");
      expect(await tool.ended).toMatchObject({ code: 8, stdout: Buffer.from("no") });
      expect(peer.received().toString()).not.toContain("body");
    });

    test("sends it to a server that says nothing", async () => {
      const { tool, peer } = await expecting("body");
      await new Promise((resolve) => peer.socket.once("data", resolve));
      expect(peer.received().toString()).toMatch(/\r\n\r\nbody$/);
      peer.socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      expect((await tool.ended).code).toBe(0);
    });
  });

  unix("goes over a UNIX socket, and asks for the URL's host", async () => {
    const path = join(temporaryFolder(), "socket");
    const { asked } = await httpServer((_, response) => response.end("ok"), { path });
    const tool = requesting(["http://docker/info", "--unix", path]);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("ok") });
    expect(asked).toMatchObject([{ url: "/info", headers: { host: "docker" } }]);
    expect(tool.all("connected")).toMatchObject([{ transport: "unix", path }]);
    const none = requesting(["http://docker/", "--unix", `${path}2`]);
    expect((await none.ended).code).toBe(4);
  });

  test("goes over TLS, verified, with the protocol that is spoken", async () => {
    const ca = await authority();
    const tls = await issue({ by: ca });
    const { origin } = await httpServer((_, response) => response.end("ok"), { tls });
    const refused = requesting([origin]);
    expect((await refused.ended).code).toBe(9);
    const named = origin.replace("127.0.0.1", "localhost");
    const tool = requesting([named, "--ca", ca.certFile, "-4"]);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("ok") });
    expect(tool.all("connected")[0]?.tls).toMatchObject({
      alpn: "http/1.1",
      subject: "localhost",
      authorized: true,
    });
    expect(tool.all("timing")[0]?.tls).toBeGreaterThan(0);
    expect(tool.all("timing")[0]?.resolve).toBeGreaterThan(0);
    const pinned = requesting([origin, "--pin", tls.pin]);
    expect((await pinned.ended).code).toBe(0);
  });

  test("has the credentials of its URL, which are told nowhere", async () => {
    const { origin, asked } = await httpServer((_, response) => response.writeHead(403).end());
    const url = origin.replace("//", "//us%65r:s%C3%A9cret%40@");
    const tool = requesting([url, "-v", "--fail"]);
    const { code, stderr } = await tool.ended;
    expect(code).toBe(11);
    const told = Buffer.from(asked[0]?.headers.authorization?.slice(6) ?? "", "base64");
    expect(told.toString()).toBe("user:sécret@");
    expect(stderr).not.toMatch(/cret|us%65r|dXNl/);
  });

  test("is tried again while refused, with --retry", async () => {
    const { server, port } = await startServer();
    await new Promise((resolve) => server.close(resolve));
    const url = `127.0.0.1:${String(port)}`;
    const tool = requesting([url, "--retry", "1", "--retry-interval", "10ms"]);
    expect((await tool.ended).code).toBe(4);
    expect(tool.all("retry")).toHaveLength(1);
  });
});

describe("a command line that cannot work is a usage error, exit code 2", () => {
  const pin = `sha256:${"0".repeat(64)}`;
  test.each([
    ["no URL", [], /missing required argument 'url'/],
    ["another scheme", ["ftp://h/"], /'ftp:\/\/h\/' is not valid: only http/],
    ["a port that is none", ["h:99999"], /'h:99999' is not valid/],
    ["an old form of an address", ["127.1"], /'127\.1' is not valid/],
    ["a space", ["http://h/a b"], /written %20/],
    ["a method", ["h", "-X", "A B"], /--method is not valid/],
    ["CONNECT", ["h", "-X", "connect"], /CONNECT is for proxies/],
    ["a header without a colon", ["h", "-H", "secret"], /expected a header such as 'Name: value'/],
    ["a header's name", ["h", "-H", "a secret: b"], /--header is not valid/],
    ["a header's value", ["h", "-H", "A: secret\n" + "b"], /--header A is not valid/],
    ["TLS for http://", ["http://h", "--pin", pin], /--pin cannot be used with an http:\/\/ URL/],
    ["a key without its certificate", ["https://h", "--key", "x"], /--key needs --cert/],
    ["a source and a UNIX socket", ["h", "--unix", "x", "-4"], /--ipv4 cannot be used with --unix/],
    ["a family that the host is not of", ["[::1]", "-4"], /is an IPv6 address/],
    ["an interval without --retry", ["h", "--retry-interval", "1s"], /needs --retry/],
    ["credentials in a URL that is not valid", ["http://me:secret@h:x/"], /the URL is not valid/],
    ["credentials out of place", ["h", "-i", "http://me:se'cret@h"], /'…@h' is invalid/],
  ])("%s", async (_, args, why) => {
    const { code, stdout, stderr } = await portcat(["http", "request", ...args]).ended;
    expect(stderr).toMatch(why);
    expect(stderr).toMatch(/^portcat: [^\n]+\n$/);
    expect(stderr).not.toContain("cret");
    expect([code, stdout.length]).toEqual([2, 0]);
  });

  test("as is a URL with credentials in the place of a command", async () => {
    const { code, stderr } = await portcat(["http", "http://me:secret@h/"]).ended;
    expect(stderr).toMatch(/unknown command '…@h\/'/);
    expect(code).toBe(2);
  });
});

test("a body that cannot be read is code 1 before anything is opened", async () => {
  const folder = temporaryFolder();
  const { server, port } = await startServer();
  let connected = false;
  server.on("connection", () => (connected = true));
  for (const path of [folder, join(folder, "none")]) {
    const tool = requesting([`127.0.0.1:${String(port)}`, "-d", `@${path}`]);
    expect((await tool.ended).code).toBe(1);
    expect(errorOf(tool)?.message).toContain(`cannot read ${path}`);
  }
  expect(connected).toBe(false);
});

unix("a body that becomes shorter while it is sent is code 8", async () => {
  const file = newFile();
  const path = join(temporaryFolder(), "body");
  writeFileSync(path, Buffer.alloc(32 * mebibyte));
  const { port, client } = await startServer();
  const tool = requesting([`127.0.0.1:${String(port)}`, "-d", `@${path}`], {
    stdout: file.descriptor,
  });
  const { socket } = await client();
  socket.pause();
  await tool.event("connected");
  await new Promise((resolve) => setTimeout(resolve, 200));
  writeFileSync(path, "");
  socket.resume();
  expect((await tool.ended).code).toBe(8);
  expect(errorOf(tool)?.message).toMatch(/became shorter while it was sent/);
});

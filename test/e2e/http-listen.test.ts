import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { Agent, request as secureRequest } from "node:https";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { connect as secureConnect } from "node:tls";
import { describe, expect, test } from "vitest";
import { issue } from "../helpers/certificates.ts";
import { content, descriptorOf, mebibyte, sha256 } from "../helpers/content.ts";
import { descriptorOf as descriptorOfSocket, listeningSocket } from "../helpers/descriptors.ts";
import { ask, listening, raw, stuck, told } from "../helpers/http-clients.ts";
import { readToEnd, systemPipe } from "../helpers/pipe.ts";
import { memoryOf, watchMemory } from "../helpers/processes.ts";
import { hasTerminals, onTerminal } from "../helpers/pseudo-terminal.ts";
import { peerOn } from "../helpers/sockets.ts";
import { portcat, temporaryFolder, Tool } from "../helpers/tool.ts";

const post = (body: string, path = "/") =>
  `POST ${path} HTTP/1.1\r\nHost: test\r\nContent-Length: ${String(body.length)}\r\n\r\n${body}`;
const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`;

const chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/** The head of the only answer, and its body. */
function splitAnswer(answer: Buffer): [head: string, body: Buffer] {
  const end = answer.indexOf("\r\n\r\n");
  return [answer.toString("latin1", 0, end + 2), answer.subarray(end + 4)];
}

describe("how long it listens", () => {
  test("one client, who may ask several times, and nobody else; it is told in full", async () => {
    const { tool, port } = await listening();
    const client = await raw(port, `${post("one", "/a?b=c")}${get("/d")}`);
    await tool.event("response", 2);
    const second = connect(port, "127.0.0.1");
    const [error] = (await once(second, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("ECONNREFUSED");
    client.socket.end();
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("one") });
    expect(
      client
        .received()
        .toString()
        .match(/^HTTP\/1.1 200 OK\r$/gm),
    ).toHaveLength(2);
    const peer = `127.0.0.1:${String(client.socket.localPort ?? tool.all("request")[0]?.peer.split(":")[1])}`;
    expect(tool.all("request")).toMatchObject([
      {
        id: 1,
        peer,
        method: "POST",
        target: "/a?b=c",
        version: "1.1",
        headers: [
          ["Host", "test"],
          ["Content-Length", "3"],
        ],
      },
      { id: 1, method: "GET", target: "/d" },
    ]);
    expect(tool.all("response")).toMatchObject([
      { id: 1, peer, status: 200, reason: "OK", received: 3, sent: 0 },
      { id: 1, status: 200, received: 0, sent: 0 },
    ]);
    expect(tool.all("closed")).toMatchObject([{ id: 1, received: 3, sent: 0, reason: "end" }]);
  });

  test("--once: up to the first request, whoever else is connected, and the answer closes", async () => {
    const { tool, port } = await listening("--once", "--body", "bye");
    const silent = await raw(port);
    const gone = await raw(port);
    gone.socket.end();
    await gone.ended;
    const client = await raw(port, `${post("body")}${get("/never")}`);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("body") });
    await Promise.all([silent.ended, client.ended]);
    expect(client.received().toString()).toMatch(/\r\nConnection: close\r\n[^]*\r\nbye$/);
    expect(tool.all("request")).toHaveLength(1);
    expect(tool.all("response")).toMatchObject([{ status: 200, sent: 3 }]);
  });

  test("--once: of two that ask at the same time one is answered, and the other is closed at once", async () => {
    const { tool, port } = await listening("--once", "--delay", "300ms", "--body", "ok");
    const clients = [await raw(port), await raw(port)];
    await tool.event("connected", 2);
    for (const { socket } of clients) socket.write(post("aa"));
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("aa") });
    await Promise.all(clients.map(({ ended }) => ended));
    expect(clients.filter((client) => client.received().length > 0)).toHaveLength(1);
    expect(tool.all("request")).toHaveLength(1);
    const [{ id = 0 } = {}] = tool.all("response");
    const names = tool
      .events()
      .map((event) => ("id" in event ? `${event.event} ${String(event.id)}` : ""));
    const closed = names.indexOf(`closed ${String(3 - id)}`);
    expect(closed).toBeGreaterThan(0);
    expect(closed).toBeLessThan(names.indexOf(`response ${String(id)}`));
  });

  test("--once --tls: a client in the middle of its handshake does not hold it up", async () => {
    const { tool, port } = await listening("--once", "--tls");
    const silent = await raw(port, "\x16\x03\x01");
    const asked = secureRequest(`https://127.0.0.1:${String(port)}`, { rejectUnauthorized: false });
    asked.end();
    const [answer] = (await once(asked, "response")) as [{ statusCode: number }];
    expect(answer.statusCode).toBe(200);
    await silent.ended;
    expect((await tool.ended).code).toBe(0);
    expect(tool.all("error")).toEqual([]);
  });

  test.each([
    ["a tunnel", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"],
    ["a stray byte", "x"],
  ])("--once: %s behind the request is not looked at", async (_, behind) => {
    const { bytes, hash } = content(8 * mebibyte);
    const path = join(temporaryFolder(), "large");
    writeFileSync(path, bytes);
    const { tool, port } = await listening("--once", "--body", `@${path}`);
    const client = await raw(port, `${post("body")}${behind}`);
    await client.ended;
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("body") });
    const [head = "", body] = splitAnswer(client.received());
    expect(head).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(sha256(body)).toBe(hash);
    expect(tool.all("error")).toEqual([]);
    expect(tool.all("response")).toHaveLength(1);
  });

  test.each([[[]], [["--tls"]]])(
    "--once %j: a client that says nothing within -i is closed, and the next one counts",
    async (flags: string[]) => {
      const { tool, port } = await listening("--once", "-i", "300ms", ...flags);
      const client =
        flags.length === 0
          ? connect(port, "127.0.0.1")
          : secureConnect({ port, host: "127.0.0.1", rejectUnauthorized: false });
      const silent = peerOn(client);
      await silent.ended;
      expect(silent.received()).toHaveLength(0);
      await tool.event("closed");
      const asked = (flags.length === 0 ? request : secureRequest)({
        port,
        rejectUnauthorized: false,
      });
      asked.end();
      await once(asked, "response");
      expect((await tool.ended).code).toBe(0);
      expect(tool.all("error")).toEqual([]);
    },
  );

  test("--once counts a request that is none, which is a failure, code 8", async () => {
    const { tool, port } = await listening("--once");
    const client = await raw(port, "what is this\r\n\r\n");
    expect((await tool.ended).code).toBe(8);
    expect(client.received().toString()).toMatch(/^HTTP\/1.1 400 /);
  });

  test.each(["SIGINT", "SIGTERM"] as const)(
    "-k: until %s, which closes what is open and writes what has come",
    async (signal) => {
      const { tool, port } = await listening("-k");
      await ask(port, "/", { method: "POST", body: "first " });
      const client = await raw(port, post("second").slice(0, -3));
      await tool.event("request", 2);
      // The rest of it is never sent, so that nothing tells that its beginning has been read.
      await ask(port);
      tool.child.kill(signal);
      const { code, stdout } = await tool.ended;
      expect(code).toBe(signal === "SIGINT" ? 130 : 143);
      expect(stdout.toString()).toBe("first sec");
      await client.ended;
      expect(tool.all("closed").at(-1)).toMatchObject({ received: 3, reason: signal });
    },
  );

  test.skipIf(process.platform !== "linux")("--fd: on a socket that was handed over", async () => {
    const server = await listeningSocket({ host: "127.0.0.1", port: 0 });
    const { port } = server.address() as { port: number };
    const args = ["http", "listen", "--fd", "3", "--body", "handed over"];
    const tool = new Tool(args, { stdin: "null", descriptors: [descriptorOfSocket(server)] });
    expect(await tool.port()).toBe(port);
    server.close();
    expect((await ask(port)).body.toString()).toBe("handed over");
    expect((await tool.ended).code).toBe(0);
  });

  test("-k -m 1 turns a second client away", async () => {
    const { tool, port } = await listening("-k", "-m", "1");
    const first = await raw(port);
    await tool.event("connected");
    const second = await raw(port);
    await second.ended;
    expect(await tool.event("refused")).toMatchObject({ reason: /1 client/ });
    first.socket.end(get("/"));
    await tool.event("response");
  });
});

describe("bodies", () => {
  test("that arrive side by side are written one after the other", async () => {
    const { tool, port } = await listening("-k");
    const clients = await Promise.all(["a", "b", "c"].map(() => raw(port)));
    const letters = ["a", "b", "c"];
    for (const [i, { socket }] of clients.entries())
      socket.write(post((letters[i] ?? "").repeat(6)).slice(0, -3));
    await tool.event("request", 3);
    for (const [i, { socket }] of clients.toReversed().entries())
      socket.write((letters[2 - i] ?? "").repeat(3));
    await tool.until(() => tool.received().length === 18);
    expect(tool.received().toString()).toMatch(/^(a{6}|b{6}|c{6}){3}$/);
  });

  test.each(["", "--once"])("of one client %s are written as they come", async (flag) => {
    const { tool, port } = await listening(...(flag === "" ? [] : [flag]));
    const client = await raw(port, `${chunked}5\r\nfirst\r\n`);
    await tool.outputs("first");
    client.socket.end("4\r\nlast\r\n0\r\n\r\n");
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("firstlast") });
  });

  test("that one client sends without waiting are written in their order", async () => {
    const pipe = systemPipe();
    const tool = new Tool(["http", "listen", "127.0.0.1", "0"], {
      stdin: "null",
      stdout: pipe.writer,
    });
    pipe.handedOver();
    // Some of these end just where stdout is full.
    const sizes = Array.from({ length: 32 }, (_, i) => [mebibyte + i * 10_000, 5, 0]).flat();
    const bodies = sizes.map((size, i) => String(i % 10).repeat(size));
    const client = await raw(await tool.port(), bodies.map((body) => post(body)).join(""));
    client.socket.end();
    await tool.event("request");
    const written = await readToEnd(pipe);
    expect(sha256(written)).toBe(sha256(Buffer.from(bodies.join(""))));
    expect((await tool.ended).code).toBe(0);
  });

  test("sent in chunks, a byte at a time, arrive whole", async () => {
    const { tool, port } = await listening();
    const text = "a chunk at a time";
    const chunks = [...text].map((letter) => `1\r\n${letter}\r\n`).join("");
    const client = await raw(
      port,
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    client.socket.end(`${chunks}0\r\n\r\n`);
    expect((await tool.ended).stdout.toString()).toBe(text);
  });

  test("of 96 MiB wait for a slow stdout, in little memory, and every byte arrives", async () => {
    const { bytes, hash } = content(96 * mebibyte);
    const pipe = systemPipe();
    const tool = new Tool(["http", "listen", "127.0.0.1", "0", "-k"], {
      stdin: "null",
      stdout: pipe.writer,
    });
    pipe.handedOver();
    const port = await tool.port();
    const most = watchMemory(tool);
    const client = await raw(port);
    client.socket.write(
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${String(bytes.length)}\r\n\r\n`,
    );
    const sent = new Promise<void>((resolve) => client.socket.write(bytes, () => resolve()));
    await stuck(port, client);
    const written = readToEnd(pipe);
    await sent;
    await tool.until(() => tool.all("response").some(({ received }) => received === bytes.length));
    tool.child.kill("SIGTERM");
    expect(sha256(await written)).toBe(hash);
    expect((await tool.ended).code).toBe(143);
    expect(most()).toBeLessThan(130 * mebibyte);
  });

  test.skipIf(process.platform !== "linux")(
    "for a stdout that is full end it with code 1, and for one whose reader left with 141",
    async () => {
      const at = (stdout: number | "pipe") =>
        new Tool(["http", "listen", "127.0.0.1", "0", "-k"], { stdin: "null", stdout });
      const full = at(descriptorOf("/dev/full", "w"));
      const client = await raw(await full.port(), post("no room"));
      expect((await full.ended).code).toBe(1);
      expect(full.all("error")).toMatchObject([{ code: "ENOSPC" }]);
      expect(full.all("error")[0]?.message).toMatch(/after 0 of 7 bytes received: no space[^;]*$/);
      await client.ended;
      // Whose body went nowhere must not be told that all is well.
      expect(client.received()).toHaveLength(0);
      const left = at("pipe");
      const port = await left.port();
      left.output.destroy();
      await raw(port, post("nobody"));
      expect((await left.ended).code).toBe(141);
    },
  );

  test.skipIf(!hasTerminals)("and headers are safe on a terminal, and end their line", async () => {
    const shown = onTerminal(["http", "listen", "127.0.0.1", "0"], "</dev/null");
    const [, port = ""] = await shown.until(
      () => /listening on 127.0.0.1:(\d+)/.exec(shown.received().toString()) ?? undefined,
    );
    const client = await raw(Number(port), "GET / HTTP/1.1\r\nHost: a\r\nX: \x9b2J\r\n\r\n");
    await told(client, "200 OK");
    client.socket.end(post("\u001b[2Jbody"));
    const text = (await shown.ended).stdout.toString();
    expect(text).not.toContain("\u001b");
    expect(text).toContain("^[[2Jbody\r\n");
    expect(text).toMatch(/GET \/\S* HTTP\/1.1\r\n {2}Host: a\r\n {2}X: .*2J\r\n/);
    expect(text).toContain("200 OK, received 0 bytes, sent 0 bytes in ");
  });
});

describe("answers", () => {
  test("have --status, --header and --body, and none to HEAD", async () => {
    const flags = ["--status", "418", "--header", "X-A: 1", "--header", "x-a: 2", "--body", "tea"];
    const { tool, port } = await listening("-k", ...flags, "--header", "X-B:");
    const { status, headers, body } = await ask(port);
    expect([status, body.toString()]).toEqual([418, "tea"]);
    expect(headers).toMatchObject({ "x-a": "1, 2", "x-b": "", "content-length": "3" });
    expect(headers["content-type"]).toBe("text/plain; charset=utf-8");
    const head = await ask(port, "/", { method: "HEAD" });
    expect(head.headers["content-length"]).toBe("3");
    await tool.event("response", 2);
    expect(tool.all("response").map(({ sent }) => sent)).toEqual([3, 0]);
    expect(tool.all("response")[0]?.headers).toContainEqual(["x-a", "2"]);
  });

  test("with status 204 have neither a body nor a length", async () => {
    const { port } = await listening("-k", "--status", "204");
    const { status, headers, body } = await ask(port);
    expect([status, body.length, headers["content-length"]]).toEqual([204, 0, undefined]);
  });

  test("from a file have its type, and what is in it then; once it is gone the status is 500", async () => {
    const path = join(temporaryFolder(), "answer.json");
    writeFileSync(path, "{}");
    const { tool, port } = await listening("-k", "--body", `@${path}`);
    const first = await ask(port);
    expect(first.headers["content-type"]).toBe("application/json; charset=utf-8");
    expect(first.body.toString()).toBe("{}");
    const { bytes, hash } = content(8 * mebibyte);
    writeFileSync(path, bytes);
    expect(sha256((await ask(port)).body)).toBe(hash);
    rmSync(path);
    expect((await ask(port)).status).toBe(500);
    const error = { id: 3, code: "ENOENT", status: 500, exitCode: 1 };
    expect(await tool.event("error")).toMatchObject(error);
    writeFileSync(path, "again");
    expect((await ask(port)).body.toString()).toBe("again");
  });

  test.skipIf(process.platform !== "linux")(
    "from a file of the system's own, which tells no size, have all that is in it",
    async () => {
      const path = "/proc/version";
      const { tool, port } = await listening("-k", "--body", `@${path}`);
      const { headers, body } = await ask(port);
      expect(headers["transfer-encoding"]).toBe("chunked");
      expect(body.toString()).toBe(readFileSync(path, "utf8"));
      const old = await raw(port, "GET / HTTP/1.0\r\n\r\n");
      await old.ended;
      const [head, text] = splitAnswer(old.received());
      expect(head).toContain("\r\nConnection: close\r\n");
      expect(text.equals(body)).toBe(true);
      const shown = await ask(port, "/", { method: "HEAD" });
      expect(shown.headers).not.toHaveProperty("content-length");
      expect(tool.all("error")).toEqual([]);
    },
  );

  test("from an empty file have no body", async () => {
    const path = join(temporaryFolder(), "empty");
    writeFileSync(path, "");
    const { port } = await listening("-k", "--body", `@${path}`);
    const { status, body } = await ask(port);
    expect([status, body.length]).toEqual([200, 0]);
  });

  test("with --echo tell what was asked, as JSON", async () => {
    const { port } = await listening("-k", "--echo");
    const echoed = async (body: Buffer | string) => {
      const headers = { "X-Twice": ["1", "2"] };
      const options = { method: "PUT", headers, body };
      const answer = await ask(port, "/a%20b?x=1&x=2&__proto__=y", options);
      return JSON.parse(answer.body.toString()) as Record<string, unknown>;
    };
    expect(await echoed("grüße")).toMatchObject({
      method: "PUT",
      url: `http://127.0.0.1:${String(port)}/a%20b?x=1&x=2&__proto__=y`,
      path: "/a%20b",
      args: { x: ["1", "2"], ["__proto__"]: "y" },
      headers: { "X-Twice": ["1", "2"] },
      origin: "127.0.0.1",
      body: "grüße",
      bodyEncoding: "utf-8",
    });
    expect(await echoed(Buffer.from([0xff, 0]))).toMatchObject({
      body: "/wA=",
      bodyEncoding: "base64",
    });
    const tooLarge = await ask(port, "/", { method: "POST", body: Buffer.alloc(mebibyte + 1) });
    expect(tooLarge.status).toBe(413);
  });

  test.skipIf(process.platform === "win32")(
    "of a file that has become a folder, or a pipe, are 500, and hold up nobody",
    async () => {
      const path = join(temporaryFolder(), "body");
      writeFileSync(path, "body");
      const { tool, port } = await listening("-k", "--body", `@${path}`);
      for (const become of [() => mkdirSync(path), () => execFileSync("mkfifo", [path])]) {
        rmSync(path, { recursive: true });
        become();
        expect((await ask(port)).status).toBe(500);
      }
      tool.child.kill("SIGTERM");
      expect((await tool.ended).code).toBe(143);
    },
  );

  test("to pipelined requests come in order, also after --delay", async () => {
    const { tool, port } = await listening("--echo", "--delay", "100ms");
    const client = await raw(port, get("/1") + post("x", "/2") + get("/3"));
    client.socket.end();
    await tool.ended;
    const paths = client
      .received()
      .toString()
      .matchAll(/"path": "(.*)"/g);
    expect(Array.from(paths, ([, path]) => path)).toEqual(["/1", "/2", "/3"]);
    for (const { duration } of tool.all("response")) expect(duration).toBeGreaterThanOrEqual(95);
  });

  test.skipIf(process.platform !== "linux")(
    "to thousands of pipelined requests are all sent, and no more are read than can be",
    async () => {
      const count = 5000;
      const { tool, port } = await listening("--body", "y");
      const client = await raw(port, post("x").repeat(count));
      client.socket.end();
      expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.alloc(count, "x") });
      expect(
        client
          .received()
          .toString()
          .match(/\r\n\r\ny/g),
      ).toHaveLength(count);
      const late = await listening("-k", "--delay", "1h");
      await stuck(late.port, await raw(late.port, get("/").repeat(400_000)));
      expect(late.tool.all("request").length).toBeLessThan(10_000);
      expect(memoryOf(late.tool, "VmRSS")).toBeLessThan(180 * mebibyte);
    },
  );

  test("that a client does not wait for are undelivered, exit code 8", async () => {
    const { tool, port } = await listening("--delay", "1h");
    const client = await raw(port, get("/slow"));
    await tool.event("request");
    client.socket.resetAndDestroy();
    expect((await tool.ended).code).toBe(8);
    expect(tool.all("error")).toMatchObject([{ code: "ECONNRESET", exitCode: 8 }]);
    expect(tool.all("error")[0]?.message).toContain(
      "GET /slow: the client left before it had all of the answer, after 0 bytes",
    );
  });

  test("that a client does not take to the end are a failure, code 8", async () => {
    const path = join(temporaryFolder(), "large");
    writeFileSync(path, Buffer.alloc(64 * mebibyte));
    const { tool, port } = await listening("--body", `@${path}`);
    const client = await raw(port, get("/"));
    await told(client, "\r\n\r\n");
    client.socket.resetAndDestroy();
    expect((await tool.ended).code).toBe(8);
    const [error] = tool.all("error");
    expect(error).toMatchObject({ code: "ECONNRESET", exitCode: 8 });
    const { sent } = tool.all("closed")[0] ?? {};
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(64 * mebibyte);
    expect(error?.message).toContain(`after ${String(sent)} bytes`);
  });
});

describe("--serve", () => {
  /** A folder with something to find, and a way out that should be none. */
  async function serving() {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "secret.txt"), "secret");
    const root = join(folder, "root");
    mkdirSync(join(root, "sub"), { recursive: true });
    mkdirSync(join(root, ".git"));
    writeFileSync(join(root, ".git", "config"), "secret");
    writeFileSync(join(root, "index.html"), "<p>index");
    writeFileSync(join(root, "sub", "index.html"), "<p>sub");
    writeFileSync(join(root, "a b.css"), "a{}");
    writeFileSync(join(root, "data.bin"), "0123456789");
    if (process.platform !== "win32") {
      symlinkSync("../secret.txt", join(root, "out.txt"));
      symlinkSync("..", join(root, "up"));
      symlinkSync(".git/config", join(root, "hidden.txt"));
      symlinkSync("data.bin", join(root, "link.bin"));
      symlinkSync("loop", join(root, "loop"));
    }
    return listening("-k", "--serve", root);
  }

  test("sends files with their types, indexes, and links within", async () => {
    const { port } = await serving();
    const asked = async (path: string) => {
      const { status, headers, body } = await ask(port, path);
      return [status, headers["content-type"], body.toString()];
    };
    expect(await asked("/")).toEqual([200, "text/html; charset=utf-8", "<p>index"]);
    expect(await asked("/a%20b.css?v=1")).toEqual([200, "text/css; charset=utf-8", "a{}"]);
    expect(await asked("/sub/")).toEqual([200, "text/html; charset=utf-8", "<p>sub"]);
    expect(await asked("/link.bin")).toEqual([200, "application/octet-stream", "0123456789"]);
    expect((await asked("http://elsewhere.test/data.bin"))[0]).toBe(200);
    const { status, headers } = await ask(port, "//sub?x=1");
    expect([status, headers.location]).toEqual([301, "/sub/?x=1"]);
  });

  test("sends parts, and nothing that a client has already", async () => {
    const { tool, port } = await serving();
    const part = await ask(port, "/data.bin", { headers: { Range: "bytes=2-4" } });
    expect([part.status, part.body.toString()]).toEqual([206, "234"]);
    expect(part.headers["content-range"]).toBe("bytes 2-4/10");
    const beyond = await ask(port, "/data.bin", { headers: { Range: "bytes=99-" } });
    expect([beyond.status, beyond.headers["content-range"]]).toEqual([416, "bytes */10"]);
    const { headers } = await ask(port, "/data.bin");
    const again = { headers: { "If-None-Match": headers.etag ?? "" } };
    expect(await ask(port, "/data.bin", again)).toMatchObject({ status: 304 });
    const since = { headers: { "If-Modified-Since": headers["last-modified"] ?? "" } };
    expect(await ask(port, "/data.bin", since)).toMatchObject({ status: 304 });
    await tool.event("response", 5);
    expect(tool.all("response").map(({ sent }) => sent)).toEqual([3, 22, 10, 0, 0]);
  });

  test.each([
    ["/../secret.txt", 403],
    ["/sub/../../secret.txt", 403],
    ["/%2e%2e/secret.txt", 403],
    ["/%2e%2e%2fsecret.txt", 403],
    ["/..%5csecret.txt", 403],
    ["/..\\secret.txt", 403],
    ["http://x/../secret.txt", 403],
    ["/out.txt", 404],
    ["/up/secret.txt", 404],
    ["/up/root/data.bin", 200],
    ["/loop", 404],
    ["/.git/config", 404],
    ["/%2egit/config", 404],
    ["/hidden.txt", 404],
    ["/data.bin/", 404],
    ["/data.bin%00.html", 400],
    ["/%zz", 400],
    ["*", 400],
    [`/${"x".repeat(4000)}`, 404],
    ["/nothing", 404],
  ])("leads nowhere else: %s", async (path, status) => {
    const { port } = await serving();
    const client = await raw(port, get(path));
    await told(client, "\r\n\r\n");
    expect(client.received().toString()).toMatch(new RegExp(`^HTTP/1.1 ${String(status)} `));
    expect(client.received().toString()).not.toContain("\r\n\r\nsecret");
  });

  test("takes GET and HEAD only", async () => {
    const { port } = await serving();
    const { status, headers } = await ask(port, "/", { method: "DELETE" });
    expect([status, headers.allow]).toEqual([405, "GET, HEAD"]);
    const head = await ask(port, "/data.bin", { method: "HEAD" });
    expect([head.status, head.headers["content-length"]]).toEqual([200, "10"]);
  });
});

/** A client that does something wrong, what it is told, and what is told of it. */
const wrong: readonly [
  what: string,
  text: string,
  after: (socket: Socket) => void,
  status: number,
  error: { code: string; exitCode: number } | undefined,
][] = [
  ["garbage", "what is this\r\n\r\n", () => 0, 400, { code: "HPE_INVALID_METHOD", exitCode: 8 }],
  ["TLS", "\x16\x03\x01\x02\x00\x01", () => 0, 400, { code: "HPE_INVALID_METHOD", exitCode: 8 }],
  [
    "headers of 20 KiB",
    `GET / HTTP/1.1\r\nX: ${"x".repeat(20_000)}\r\n\r\n`,
    () => 0,
    431,
    { code: "HPE_HEADER_OVERFLOW", exitCode: 8 },
  ],
  [
    "a chunk that is none",
    `${chunked}3\r\nabc\r\nzz\r\n`,
    () => 0,
    400,
    { code: "HPE_INVALID_CHUNK_SIZE", exitCode: 8 },
  ],
  [
    "a body that ends early",
    post("abcdef").slice(0, -3),
    (socket) => void socket.end(),
    400,
    { code: "ECONNRESET", exitCode: 8 },
  ],
  [
    "half of a request",
    "GET / HT",
    (socket) => void socket.end(),
    400,
    { code: "ECONNRESET", exitCode: 8 },
  ],
  [
    "an expectation",
    "GET / HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n",
    () => 0,
    417,
    undefined,
  ],
  ["a tunnel", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", () => 0, 405, undefined],
  ["no Host", "GET / HTTP/1.1\r\n\r\n", () => 0, 400, undefined],
];

describe("what clients get wrong", () => {
  test.each(wrong)(
    "%s is told to the client and told of it, and others are served",
    async (_, text, after, status, error) => {
      const { tool, port } = await listening("-k");
      const client = await raw(port);
      client.socket.write(text, "latin1");
      after(client.socket);
      await told(client, "\r\n\r\n");
      expect(client.received().toString()).toMatch(new RegExp(`^HTTP/1.1 ${String(status)} `));
      await client.ended;
      client.socket.end();
      await tool.event("closed");
      if (error === undefined) expect(tool.all("response")).toMatchObject([{ status }]);
      expect(tool.all("error")).toMatchObject(error ? [{ ...error, id: 1, status }] : []);
      expect((await ask(port, "/", { method: "POST", body: "fine" })).status).toBe(200);
      await tool.until(() => tool.received().toString().endsWith("fine") || undefined);
    },
  );

  test.each(wrong.filter(([, , , , error]) => error))(
    "%s ends a listener for one with code 8",
    async (_, text, after) => {
      const { tool, port } = await listening();
      const client = await raw(port);
      client.socket.write(text, "latin1");
      after(client.socket);
      await client.ended;
      client.socket.end();
      expect((await tool.ended).code).toBe(8);
    },
  );

  test("a reset in the middle of a body is code 8, and what came is written", async () => {
    const { tool, port } = await listening();
    const client = await raw(port, post("abcdef").slice(0, -3));
    await tool.event("request");
    client.socket.resetAndDestroy();
    expect(await tool.ended).toMatchObject({ code: 8, stdout: Buffer.from("abc") });
    expect(tool.all("error")).toMatchObject([{ code: "ECONNRESET", exitCode: 8 }]);
    expect(tool.all("error")[0]?.message).toContain("POST /: connection reset by the peer");
  });

  test.each([
    ["says nothing", "", "no whole request"],
    ["does not end its headers", "GET / HTTP/1.1\r\nX: ", "no whole request"],
    ["does not send its body", post("abcdef").slice(0, -3), "nothing more of the body"],
  ])("a client that %s within -i is told 408, code 5", async (_, text, why) => {
    const { tool, port } = await listening("-i", "200ms");
    const client = await raw(port, text);
    await told(client, "HTTP/1.1 408 Request Timeout\r\n");
    client.socket.end();
    expect((await tool.ended).code).toBe(5);
    expect(tool.all("error")).toMatchObject([{ code: "EIDLE", status: 408 }]);
    expect(tool.all("error")[0]?.message).toContain(why);
  });

  test("a client that trickles its headers is told 408 all the same", async () => {
    const { tool, port } = await listening("-i", "300ms");
    const client = await raw(port, "GET / HTTP/1.1\r\n");
    const trickle = setInterval(() => client.socket.write("X: y\r\n"), 20);
    await told(client, "HTTP/1.1 408 Request Timeout\r\n");
    clearInterval(trickle);
    client.socket.end();
    expect((await tool.ended).code).toBe(5);
  });

  test("a client that rests between two requests is left without a word, code 0", async () => {
    const { tool, port } = await listening("-i", "200ms");
    const client = await raw(port, get("/"));
    expect((await tool.ended).code).toBe(0);
    await client.ended;
    expect(client.received().toString()).not.toContain("408");
  });

  test("our own delay is not a client's silence", async () => {
    const { tool, port } = await listening("-i", "200ms", "--delay", "600ms", "--once");
    expect((await ask(port)).status).toBe(200);
    expect((await tool.ended).code).toBe(0);
  });

  test("an earlier request is answered before garbage behind it is refused", async () => {
    const { tool, port } = await listening("--delay", "100ms", "--body", "first");
    const client = await raw(port, `${get("/")}garbage\r\n\r\n`);
    await client.ended;
    expect(client.received().toString()).toMatch(
      /^HTTP\/1.1 200 OK\r\n[^]*first[^]*HTTP\/1.1 400 /,
    );
    client.socket.end();
    expect((await tool.ended).code).toBe(8);
  });

  test("a tunnel is told what there is instead, and that is told of", async () => {
    const { tool, port } = await listening();
    const client = await raw(port, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n");
    await client.ended;
    client.socket.end();
    expect((await tool.ended).code).toBe(0);
    const [response] = tool.all("response");
    expect(response).toMatchObject({ status: 405, reason: "Method Not Allowed", sent: 0 });
    const lines = response?.headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    expect(lines).toContain("Allow: GET, ");
    expect(client.received().toString()).toBe(
      `HTTP/1.1 405 Method Not Allowed\r\n${lines ?? ""}\r\n`,
    );
  });

  test("garbage behind an answer that closed is told of, but not as answered", async () => {
    const { tool, port } = await listening();
    const client = await raw(port, "GET / HTTP/1.1\r\n\r\ngarbage\r\n\r\n");
    await client.ended;
    client.socket.end();
    expect((await tool.ended).code).toBe(8);
    expect(client.received().toString().match(/^HTTP/gm)).toHaveLength(1);
    const [error] = tool.all("error");
    expect(error).toMatchObject({ code: "HPE_INVALID_METHOD", exitCode: 8 });
    expect(error).not.toHaveProperty("status");
    expect(error?.message).not.toContain("answered");
  });
});

describe("protocol", () => {
  test("an earlier answer is sent to its end before a tunnel is refused", async () => {
    const { bytes, hash } = content(8 * mebibyte);
    const path = join(temporaryFolder(), "large");
    writeFileSync(path, bytes);
    const { tool, port } = await listening("--body", `@${path}`);
    const client = await raw(port, `${get("/")}CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n`);
    await client.ended;
    client.socket.end();
    expect((await tool.ended).code).toBe(0);
    const [, rest] = splitAnswer(client.received());
    expect(sha256(rest.subarray(0, bytes.length))).toBe(hash);
    expect(rest.subarray(bytes.length).toString()).toMatch(/^HTTP\/1.1 405 /);
  });

  test("HTTP/1.0 works with keep-alive and without", async () => {
    const { tool, port } = await listening("-k", "--body", "x");
    const old = await raw(port, "GET / HTTP/1.0\r\n\r\n");
    await old.ended;
    expect(old.received().toString()).toMatch(/\r\nConnection: close\r\n[^]*\r\nx$/);
    const kept = await raw(port, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    await told(kept, "\r\n\r\nx");
    kept.socket.write("GET / HTTP/1.0\r\n\r\n");
    await kept.ended;
    await tool.event("request", 3);
    expect(tool.all("request").map(({ version }) => version)).toEqual(["1.0", "1.0", "1.0"]);
  });

  test("Expect: 100-continue gets its 100, and then the answer", async () => {
    const { tool, port } = await listening("--body", "done");
    const client = await raw(
      port,
      post("body").replace("\r\n", "\r\nExpect: 100-continue\r\n").slice(0, -4),
    );
    await told(client, "HTTP/1.1 100 Continue\r\n\r\n");
    client.socket.end("body");
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("body") });
    expect(client.received().toString()).toMatch(/ 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n/);
  });

  test("an upgrade is a request like any other, and headers are shown as they were sent", async () => {
    const { tool, port } = await listening();
    const headers =
      "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nx-ODD: 1\r\nX-Odd: grüße\r\n";
    const client = await raw(port, `GET /chat HTTP/1.1\r\n${headers}\r\n`);
    await told(client, "HTTP/1.1 200 OK\r\n");
    client.socket.end();
    expect((await tool.ended).code).toBe(0);
    expect(tool.all("request")[0]?.headers.slice(-2)).toEqual([
      ["x-ODD", "1"],
      ["X-Odd", "grüße"],
    ]);
  });
});

describe("--tls", () => {
  test("speaks HTTP over TLS, and tells both", async () => {
    const own = await issue();
    const flags = ["--tls", "--cert", own.certFile, "--key", own.keyFile, "--echo"];
    const { tool, port } = await listening(...flags);
    const agent = new Agent({ ALPNProtocols: ["http/1.1"] });
    const options = { port, ca: own.cert, method: "POST", agent };
    const asked = secureRequest("https://localhost/x", options);
    asked.end("hidden");
    const [answer] = (await once(asked, "response")) as [NodeJS.ReadableStream];
    const { url } = JSON.parse((await buffer(answer)).toString()) as { url: string };
    expect(url).toMatch(/^https:\/\/localhost(:\d+)?\/x$/);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("hidden") });
    expect(tool.all("connected")[0]?.tls).toMatchObject({ alpn: "http/1.1" });
    expect(tool.all("listening")[0]?.tls?.pin).toBe(own.pin);
  });

  test("ends with code 9 for one client that speaks without", async () => {
    const { tool, port } = await listening("--tls");
    const client = await raw(port, get("/"));
    expect((await tool.ended).code).toBe(9);
    expect(tool.all("error")[0]?.message).toContain("the peer does not speak TLS");
    await client.ended;
  });

  test("lives on under -k for clients that speak without", async () => {
    const { tool, port } = await listening("--tls", "-k");
    const client = await raw(port, get("/"));
    expect(await tool.event("error")).toMatchObject({ id: 1, exitCode: 9 });
    await client.ended;
    const asked = secureRequest(`https://127.0.0.1:${String(port)}`, { rejectUnauthorized: false });
    asked.end();
    const [answer] = (await once(asked, "response")) as [{ statusCode: number }];
    expect(answer.statusCode).toBe(200);
    asked.destroy();
  });
});

test("for people, a request is its first line and its headers, and its answer a line", async () => {
  const tool = portcat(["http", "listen", "127.0.0.1", "0", "--status", "404"], { stdin: "null" });
  const [, port = ""] = await tool.says(/listening on 127.0.0.1:(\d+)/);
  const client = await raw(Number(port), post("12 bytes now", "/hook"));
  await told(client, "404");
  client.socket.end();
  const { stderr } = await tool.ended;
  expect(stderr.replaceAll(/127.0.0.1:\d+/g, "PEER").replaceAll(/[\d.]+ s$/gm, "0 s")).toBe(
    `portcat: listening on PEER (tcp)
portcat: connected: PEER
portcat: PEER: POST /hook HTTP/1.1
  Host: test
  Content-Length: 12
portcat: PEER: 404 Not Found, received 12 bytes, sent 0 bytes in 0 s
portcat: closed: PEER: received 12 bytes, sent 0 bytes in 0 s
`,
  );
});

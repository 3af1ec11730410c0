import type { NetConnectOpts } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { content, descriptorOf, fileWith, mebibyte, silence } from "../helpers/content.ts";
import { systemPipe } from "../helpers/pipe.ts";
import { frozenClient, readAt, type Reader, readingClient } from "../helpers/readers.ts";
import { connectPeer, type Peer } from "../helpers/sockets.ts";
import { type Ended, type StartOptions, temporaryFolder, Tool } from "../helpers/tool.ts";

type Transport = "tcp" | "unix";

/** A listener with --keep-open, and where its clients connect to. */
async function serve(
  transport: Transport,
  options: readonly string[] = [],
  start?: StartOptions,
): Promise<{ tool: Tool; at: NetConnectOpts }> {
  if (transport === "unix") {
    const path = join(temporaryFolder(), "socket");
    const tool = new Tool(["unix", "listen", path, "-k", ...options], start);
    await tool.event("listening");
    return { tool, at: { path } };
  }
  const tool = new Tool(["tcp", "listen", "127.0.0.1", "0", "-k", ...options], start);
  return { tool, at: { host: "127.0.0.1", port: await tool.port() } };
}

/** Ends a listener as its user does; nothing that clients did may have changed how it ends. */
async function terminate(tool: Tool): Promise<Ended> {
  tool.child.kill("SIGTERM");
  const ended = await tool.ended;
  expect(ended.code).toBe(143);
  expect(tool.all("error").at(-1)).toMatchObject({ code: "SIGTERM", exitCode: 143 });
  return ended;
}

/** Waits until a client gets no more for longer than the default of --linger. */
async function stuck(client: Reader): Promise<void> {
  let before = -1;
  while (client.count() > before) {
    before = client.count();
    await silence(500);
  }
}

/** Waits until a client has got so many bytes. */
async function receives(client: Peer, count: number): Promise<void> {
  while (client.received().length < count)
    await new Promise((resolve) => client.socket.once("data", resolve));
}

const timeOf = (event: { time: string } | undefined) => Date.parse(event?.time ?? "");

describe.each<Transport>(["tcp", "unix"])("--keep-open over %s", (transport) => {
  test("clients are served in parallel: all are heard, and stdin goes to all of them", async () => {
    const { tool, at } = await serve(transport);
    const clients = [];
    for (let nth = 1; nth <= 3; nth++) {
      clients.push(await connectPeer(at));
      await tool.event("connected", nth);
    }
    tool.stdin.write("to everybody\n");
    for (const [index, client] of clients.entries()) {
      client.socket.write(`from client ${String(index)}\n`);
      await tool.outputs(`from client ${String(index)}\n`);
    }
    tool.stdin.end("goodbye\n");
    for (const client of clients) {
      await client.ended;
      expect(client.received().toString()).toBe("to everybody\ngoodbye\n");
      client.socket.end();
    }
    await tool.event("closed", 3);
    const { stdout } = await terminate(tool);
    expect(stdout.toString()).toBe("from client 0\nfrom client 1\nfrom client 2\n");
    expect(tool.all("connected").map(({ id }) => id)).toEqual([1, 2, 3]);
    const closed = { received: 14, sent: 21, reason: "end" };
    expect(tool.all("closed")).toMatchObject([closed, closed, closed]);
    expect(tool.all("error")).toHaveLength(1);
  });

  test("clients of different speed all get everything", async () => {
    const { bytes, hash } = content(8 * mebibyte);
    const { tool, at } = await serve(transport);
    const readers = [];
    for (const everyMs of [0, 3, 10]) readers.push(await readingClient(at, { everyMs }));
    await tool.event("connected", 3);
    tool.stdin.end(bytes);
    expect(await Promise.all(readers.map((reader) => reader.hash))).toEqual([hash, hash, hash]);
    for (const { socket } of readers) socket.end();
    await tool.event("closed", 3);
    await terminate(tool);
    const closed = { sent: bytes.length, reason: "end" };
    expect(tool.all("closed")).toMatchObject([closed, closed, closed]);
  });

  test("a client that reads nothing is cut off after --stall, and the others get everything", async () => {
    const { bytes, hash } = content(32 * mebibyte);
    const { tool, at } = await serve(transport, ["--stall", "500ms"]);
    const frozen = await frozenClient(at);
    await tool.event("connected");
    const reader = await readingClient(at, { everyMs: 0 });
    await tool.event("connected", 2);
    tool.stdin.end(bytes);
    expect(await reader.hash).toBe(hash);
    reader.socket.end();
    await tool.event("closed", 2);
    frozen.destroy();
    await terminate(tool);
    expect(tool.all("error")[0]).toMatchObject({ id: 1, code: "ESTALLED", exitCode: 8 });
    expect(tool.all("error")[0]?.message).toContain("not taken a byte for 0.5 s");
    const [cut, whole] = tool.all("closed");
    expect(cut).toMatchObject({ id: 1, reason: "ESTALLED" });
    expect(cut?.sent).toBeLessThan(bytes.length);
    expect(cut?.duration).toBeGreaterThanOrEqual(500);
    expect(whole).toMatchObject({ id: 2, reason: "end", sent: bytes.length });
  });

  test("several clients that read nothing hold up the others for one stall time, not for one each", async () => {
    const { bytes, hash } = content(24 * mebibyte);
    const { tool, at } = await serve(transport, ["--stall", "1s"]);
    for (let nth = 1; nth <= 4; nth++) await frozenClient(at);
    const reader = await readingClient(at, { everyMs: 0 });
    await tool.event("connected", 5);
    tool.stdin.end(bytes);
    expect(await reader.hash).toBe(hash);
    await terminate(tool);
    const cut = tool.all("error").filter(({ code }) => code === "ESTALLED");
    expect(cut).toHaveLength(4);
    expect(timeOf(cut.at(-1)) - timeOf(cut[0])).toBeLessThan(1500);
  });

  test("a client that is slow but steady is not cut off, however long its queue is full", async () => {
    const { bytes, hash } = content(24 * mebibyte);
    const { tool, at } = await serve(transport, ["--stall", "1s", "--queue", "64k"]);
    const slow = await readingClient(at, { everyMs: 50, forMs: 3000 });
    await tool.event("connected");
    const begun = performance.now();
    tool.stdin.end(bytes);
    expect(await slow.hash).toBe(hash);
    expect(performance.now() - begun).toBeGreaterThan(2500);
    slow.socket.end();
    await tool.event("closed");
    await terminate(tool);
    expect(tool.all("closed")).toMatchObject([{ sent: bytes.length, reason: "end" }]);
    expect(tool.all("error")).toHaveLength(1);
  });

  test("with a small --queue everybody waits for a client that pauses, and nothing is lost", async () => {
    const { bytes, hash } = content(24 * mebibyte);
    const { tool, at } = await serve(transport, ["--queue", "64k", "--stall", "1h"]);
    const pausing = await frozenClient(at);
    const reader = await readingClient(at, { everyMs: 0 });
    await tool.event("connected", 2);
    tool.stdin.end(bytes);
    await stuck(reader);
    expect(reader.count()).toBeLessThan(bytes.length);
    expect(await readAt(pausing, { everyMs: 0 }).hash).toBe(hash);
    expect(await reader.hash).toBe(hash);
    await terminate(tool);
  });

  test("with a --queue as large as the input nobody waits for a client that pauses", async () => {
    const { bytes, hash } = content(24 * mebibyte);
    const { tool, at } = await serve(transport, ["--queue", "32MiB", "--stall", "1h"]);
    await frozenClient(at);
    const reader = await readingClient(at, { everyMs: 0 });
    await tool.event("connected", 2);
    tool.stdin.end(bytes);
    expect(await reader.hash).toBe(hash);
    await terminate(tool);
    expect(tool.all("error")).toHaveLength(1);
  });

  test("a client that comes late gets what is sent from then on", async () => {
    const { tool, at } = await serve(transport);
    const early = await connectPeer(at);
    await tool.event("connected");
    tool.stdin.write("first\n");
    await receives(early, 6);
    const late = await connectPeer(at);
    await tool.event("connected", 2);
    tool.stdin.end("second\n");
    await Promise.all([early.ended, late.ended]);
    expect(early.received().toString()).toBe("first\nsecond\n");
    expect(late.received().toString()).toBe("second\n");
    await terminate(tool);
  });

  test("after the end of stdin those present get their end behind their queue, later ones at once, and all are heard", async () => {
    const { bytes, hash } = content(4 * mebibyte);
    const { tool, at } = await serve(transport);
    const present = await frozenClient(at);
    await tool.event("connected");
    tool.stdin.end(bytes);
    const late = await connectPeer(at);
    await tool.event("connected", 2);
    expect(await readAt(present, { everyMs: 0 }).hash).toBe(hash);
    await late.ended;
    const latest = await connectPeer(at);
    await latest.ended;
    expect(latest.received()).toHaveLength(0);
    present.end("present\n");
    await tool.outputs("present\n");
    late.socket.end("late\n");
    await tool.outputs("late\n");
    latest.socket.end("latest\n");
    await tool.outputs("latest\n");
    await tool.event("closed", 3);
    expect((await terminate(tool)).stdout.toString()).toBe("present\nlate\nlatest\n");
    expect(tool.all("closed").map(({ reason }) => reason)).toEqual(["end", "end", "end"]);
  });

  test("clients that leave or reset mid-stream disturb nobody, and are told about", async () => {
    const { bytes, hash } = content(16 * mebibyte);
    const { tool, at } = await serve(transport);
    const leaving = await readingClient(at, { everyMs: 20 });
    await tool.event("connected", 1);
    const resetting = await readingClient(at, { everyMs: 20 });
    await tool.event("connected", 2);
    const staying = await readingClient(at, { everyMs: 1 });
    await tool.event("connected", 3);
    leaving.socket.once("data", () => leaving.socket.destroy());
    resetting.socket.once("data", () => {
      if (transport === "tcp") resetting.socket.resetAndDestroy();
      else resetting.socket.destroy();
    });
    tool.stdin.end(bytes);
    expect(await staying.hash).toBe(hash);
    staying.socket.end("still here\n");
    await tool.outputs("still here\n");
    await tool.event("closed", 3);
    expect((await terminate(tool)).stdout.toString()).toBe("still here\n");
    const failed = tool.all("error").filter(({ exitCode }) => exitCode === 8);
    expect(failed.map(({ id }) => id).sort()).toEqual([1, 2]);
    const reasons = new Map(tool.all("closed").map(({ id, reason }) => [id, reason]));
    expect(reasons.get(1)).not.toBe("end");
    expect(reasons.get(2)).not.toBe("end");
    expect(reasons.get(3)).toBe("end");
  });

  test("--max-connections turns a further client away with an event, and lets one in once there is room", async () => {
    const { tool, at } = await serve(transport, ["--max-connections", "1"]);
    const first = await connectPeer(at);
    await tool.event("connected");
    const second = await connectPeer(at);
    expect((await tool.event("refused")).reason).toContain("1 client");
    await second.ended;
    expect(second.received()).toHaveLength(0);
    first.socket.end("first\n");
    // Nobody ends our side for us: stdin is open, so a silent pipe ends it after --linger.
    await tool.event("closed");
    const third = await connectPeer(at);
    await tool.event("connected", 2);
    third.socket.end("third\n");
    await tool.event("closed", 2);
    expect((await terminate(tool)).stdout.toString()).toBe("first\nthird\n");
    expect(tool.all("refused")).toHaveLength(1);
  });

  test("stdin waits for somebody to be there: nothing is lost before, between and after clients", async () => {
    const { bytes, hash } = content(8 * mebibyte);
    const { tool, at } = await serve(transport);
    tool.stdin.write("before anybody\n");
    const first = await connectPeer(at);
    await receives(first, 15);
    expect(first.received().toString()).toBe("before anybody\n");
    first.socket.end();
    await tool.event("closed");
    tool.stdin.end(bytes);
    await silence(200);
    // More than pipes and read buffers hold is still ours: it has not been read away.
    expect(tool.stdin.writableLength).toBeGreaterThan(0);
    const second = await readingClient(at, { everyMs: 0 });
    expect(await second.hash).toBe(hash);
    await terminate(tool);
    expect(tool.all("closed")[0]).toMatchObject({ sent: 15, reason: "end" });
  });

  test.each<[string, string[], StartOptions]>([
    ["stdin /dev/null", [], { stdin: "null" }],
    ["--no-stdin", ["--no-stdin"], { stdin: "pipe" }],
  ])(
    "with %s nothing is sent, and our side stays open until the client ends",
    async (_, options, start) => {
      const { tool, at } = await serve(transport, options, start);
      tool.child.stdin?.write("not to be sent\n");
      const client = await connectPeer(at);
      await tool.event("connected");
      let ended = false;
      void client.ended.then(() => (ended = true));
      client.socket.write("one\n");
      await tool.outputs("one\n");
      await silence(400);
      expect(ended).toBe(false);
      client.socket.end("two\n");
      await client.ended;
      await tool.event("closed");
      expect((await terminate(tool)).stdout.toString()).toBe("one\ntwo\n");
      expect(client.received()).toHaveLength(0);
      expect(tool.all("closed")).toMatchObject([{ received: 8, sent: 0, reason: "end" }]);
    },
  );

  test.each(["pipe", "socket pair"])(
    "a reader of stdout (a %s) that leaves ends the listener with 141, and its clients",
    async (kind) => {
      const pipe = kind === "pipe" ? systemPipe() : undefined;
      const { tool, at } = await serve(transport, [], pipe && { stdout: pipe.writer });
      pipe?.handedOver();
      const clients = [await connectPeer(at), await connectPeer(at)];
      await tool.event("connected", 2);
      const reader = pipe?.reader ?? tool.output;
      reader.destroy();
      await new Promise((resolve) => reader.once("close", resolve));
      clients[0]?.socket.write("nobody reads this\n");
      expect((await tool.ended).code).toBe(141);
      expect(tool.all("error").at(-1)).toMatchObject({ code: "EPIPE", exitCode: 141 });
      expect(tool.all("closed")).toHaveLength(2);
      for (const client of clients) await client.ended;
    },
  );

  test.skipIf(process.platform !== "linux")(
    "a full disk behind stdout ends the listener with 1, and its clients",
    async () => {
      const { tool, at } = await serve(transport, [], { stdout: descriptorOf("/dev/full", "w") });
      const clients = [await connectPeer(at), await connectPeer(at)];
      await tool.event("connected", 2);
      clients[1]?.socket.write("no room for this\n");
      expect((await tool.ended).code).toBe(1);
      expect(tool.all("error").at(-1)).toMatchObject({ code: "ENOSPC", exitCode: 1 });
      for (const client of clients) await client.ended;
    },
  );

  test("a client that half-closes at once still gets a file to its end", async () => {
    const { bytes, hash } = content(8 * mebibyte);
    const { tool, at } = await serve(transport, [], { stdin: fileWith(bytes) });
    const client = await readingClient(at, { everyMs: 5 });
    client.socket.end("question\n");
    expect(await client.hash).toBe(hash);
    await tool.event("closed");
    expect((await terminate(tool)).stdout.toString()).toBe("question\n");
    expect(tool.all("closed")).toMatchObject([{ received: 9, sent: bytes.length, reason: "end" }]);
  });

  test("a client that half-closes at once still gets a pipe until it is silent for --linger", async () => {
    const { tool, at } = await serve(transport, ["--linger", "600ms"]);
    const client = await connectPeer(at);
    await tool.event("connected");
    client.socket.end();
    let sent = "";
    for (let nth = 0; nth < 8; nth++) {
      const line = `line ${String(nth)}\n`;
      tool.stdin.write(line);
      sent += line;
      await silence(100);
    }
    // stdin stays open: the silence ends it.
    await client.ended;
    expect(client.received().toString()).toBe(sent);
    await tool.event("closed");
    await terminate(tool);
    expect(tool.all("closed")).toMatchObject([{ sent: sent.length, reason: "end" }]);
  });

  test("a client that half-closed is not left because another one holds up the pipe", async () => {
    const { bytes, hash } = content(24 * mebibyte);
    const { tool, at } = await serve(transport, ["--queue", "64k", "--stall", "1h"]);
    const pausing = await frozenClient(at);
    await tool.event("connected");
    const client = await readingClient(at, { everyMs: 0 });
    await tool.event("connected", 2);
    client.socket.end();
    tool.stdin.end(bytes);
    await stuck(client);
    expect(client.count()).toBeLessThan(bytes.length);
    pausing.resume();
    expect(await client.hash).toBe(hash);
    await terminate(tool);
  });
});

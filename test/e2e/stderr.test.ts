import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { tryRead } from "../../src/flow/at-once.ts";
import { fileWith, mebibyte, newFile, silence } from "../helpers/content.ts";
import { peerHas } from "../helpers/meeting.ts";
import { connectPeer, startServer } from "../helpers/sockets.ts";
import {
  bin,
  portcat,
  Running,
  type StartOptions,
  temporaryFolder,
  Tool,
} from "../helpers/tool.ts";

const linux = test.skipIf(process.platform !== "linux");

linux("a stderr that nobody reads holds up neither the bytes nor a signal", async () => {
  const folder = temporaryFolder();
  const pipe = join(folder, "stderr");
  spawnSync("mkfifo", [pipe]);
  // Open for reading and writing, and never read: it fills up.
  const descriptor = openSync(pipe, constants.O_RDWR);
  const ready = join(folder, "ready");
  const script = `exec "$0" "$@" 2>"${pipe}"`;
  const args = ["tcp", "listen", "127.0.0.1", "0", "--hex", "--ready-file", ready];
  const tool = new Running("sh", ["-c", script, process.execPath, bin, ...args], { stdin: "null" });
  while (!existsSync(ready)) await new Promise((resolve) => setTimeout(resolve, 10));
  const { port } = JSON.parse(readFileSync(ready, "utf8")) as { port: number };
  const peer = await connectPeer({ port, host: "127.0.0.1" });
  const sent = Buffer.alloc(4 << 20, "x");
  peer.socket.write(sent);
  await tool.until(() => tool.received().length === sent.length);
  tool.child.kill("SIGTERM");
  const { code, stdout } = await tool.ended;
  expect(code).toBe(143);
  expect(stdout.equals(sent)).toBe(true);
  closeSync(descriptor);
});

const size = 5 * mebibyte;

/** A server that takes all, and a client with --hex that sends it a file, or what the test writes. */
async function dumping(
  stderr: string,
  stdin: number | "pipe",
  options: StartOptions = {},
  ...flags: string[]
) {
  const { port, client } = await startServer();
  const args = ["tcp", "connect", "127.0.0.1", String(port), "--hex", ...flags];
  const script = `exec "$0" "$@" 2>"${stderr}"`;
  const command = ["-c", script, process.execPath, bin, ...args];
  const tool = new Running("sh", command, { ...options, stdin });
  const peer = await client();
  void peer.ended.then(() => peer.socket.end());
  return { tool, peer };
}

/** A pipe with a name, and what has come through it; nothing is read before the first time. */
function namedPipe(atOnce = mebibyte): { path: string; read: () => string } {
  const path = join(temporaryFolder(), "stderr");
  spawnSync("mkfifo", [path]);
  const descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  onTestFinished(() => closeSync(descriptor));
  const buffer = Buffer.alloc(atOnce);
  let text = "";
  return {
    path,
    read: () => {
      const count = tryRead(descriptor, buffer) ?? 0;
      return (text += buffer.toString("latin1", 0, count));
    },
  };
}

const rowsIn = (dump: string) => dump.match(/^[<>] /gm)?.length ?? 0;

/** Reads until there is no more. */
async function untilRead(read: () => string): Promise<void> {
  for (let before = -1; read().length > before; await silence(5)) before = read().length;
}

test("--hex writes its whole dump to a file", async () => {
  const file = join(temporaryFolder(), "dump");
  const { tool } = await dumping(file, fileWith(Buffer.alloc(size, "x")));
  expect((await tool.ended).code).toBe(0);
  expect(rowsIn(readFileSync(file, "latin1"))).toBe(size / 16);
});

/** Reads a pipe at a pace, from now on. */
function readSlowly(read: () => string, everyMs: number): void {
  const reading = setInterval(read, everyMs);
  onTestFinished(() => clearInterval(reading));
}

linux("--hex waits for a slow reader of its dump, and loses nothing", async () => {
  const { path, read } = namedPipe(16 * 1024);
  const { tool } = await dumping(path, fileWith(Buffer.alloc(200_000, "x")));
  readSlowly(read, 50);
  expect((await tool.ended).code).toBe(0);
  await untilRead(read);
  expect(rowsIn(read())).toBe(200_000 / 16);
  expect(read()).toMatch(/portcat: closed: .* sent 200000 bytes .*\n$/);
  expect(read()).not.toContain("dropped");
});

linux("to wait for a slow reader of --hex is not to be idle", async () => {
  const { path, read } = namedPipe(4096);
  const { tool, peer } = await dumping(path, "pipe", {}, "-i", "300ms");
  // Its pipe holds 64 KiB, and a page is read every 400 ms.
  readSlowly(read, 400);
  tool.stdin.end(Buffer.alloc(20_000, "x"));
  await peerHas(peer, 20_000);
  expect((await tool.ended).code).toBe(0);
});

linux(
  "after a signal a slow reader of --hex holds up no bytes, and is told what it missed",
  async () => {
    const { path, read } = namedPipe(4096);
    const file = newFile();
    const { tool, peer } = await dumping(path, "pipe", { stdout: file.descriptor });
    peer.socket.write(Buffer.alloc(mebibyte, "x"));
    await silence(300);
    readSlowly(read, 20);
    tool.child.kill("SIGTERM");
    expect((await tool.ended).code).toBe(143);
    await untilRead(read);
    const [, received] = /closed: .*: received (\d+) bytes/.exec(read().slice(-1000)) ?? [];
    expect(file.contents()).toHaveLength(Number(received));
    expect(read()).not.toContain("not written");
    const [, dropped] = /\b(\d+) lines were dropped here/.exec(read().slice(-1000)) ?? [];
    expect((rowsIn(read()) + Number(dropped)) * 16).toBe(Number(received));
  },
);

linux.each([
  ["words", []],
  ["JSON", ["--json"]],
])(
  "a stuck stderr misses lines of --hex, and is told how many in %s once it is read",
  async (_, flags) => {
    const { path, read } = namedPipe();
    const { tool, peer } = await dumping(path, "pipe", {}, ...flags);
    tool.stdin.write(Buffer.alloc(size, "x"));
    while (peer.received().length < size) await once(peer.socket, "data");
    const note = /\b(\d{1,6}) lines were dropped here, stderr was not read/;
    while (!note.test(read().slice(-200))) await silence(1);
    tool.stdin.end();
    expect((await tool.ended).code).toBe(0);
    const lines = read().trimEnd().split("\n");
    const dropped = Number(note.exec(read().slice(-1000))?.[1]);
    if (flags.length === 0) {
      expect(rowsIn(read()) + dropped).toBe(size / 16);
    } else {
      const events = lines.map((line) => JSON.parse(line) as { event: string; message?: string });
      const warnings = events.filter(({ event }) => event === "warning");
      expect(warnings).toMatchObject([{ message: expect.stringMatching(note) as string }]);
      expect(dropped).toBeGreaterThan(1);
    }
  },
);

test("a stderr whose reader has left is no error", async () => {
  const tool = new Running("sh", ["-c", 'exec "$0" "$@" 2>&-', process.execPath, bin, "address"]);
  expect(await tool.ended).toMatchObject({ code: 0 });
});

test("a second signal says so, too, before it ends at once", async () => {
  const tool = new Tool(["tcp", "listen", "127.0.0.1", "0"], { stdin: "null", stdout: "pipe" });
  tool.output.pause();
  const peer = await connectPeer({ port: await tool.port(), host: "127.0.0.1" });
  peer.socket.write(Buffer.alloc(8 << 20));
  await tool.event("connected");
  // stdout is full by the time the peer cannot write any more.
  let before = -1;
  while (before !== peer.socket.bytesWritten - peer.socket.writableLength) {
    before = peer.socket.bytesWritten - peer.socket.writableLength;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  tool.child.kill("SIGINT");
  await new Promise((resolve) => setTimeout(resolve, 100));
  tool.child.kill("SIGINT");
  tool.output.resume();
  const { code } = await tool.ended;
  expect(code).toBe(130);
  expect(tool.all("error").at(-1)).toMatchObject({ code: "SIGINT", exitCode: 130 });
});

linux("SIGUSR1 opens no debugger", async () => {
  const tool = portcat(["tcp", "listen", "127.0.0.1", "0"], { stdin: "null" });
  await tool.says(/listening/);
  tool.child.kill("SIGUSR1");
  tool.child.kill("SIGTERM");
  expect(await tool.ended).toMatchObject({ code: 143 });
  expect(tool.stderr).not.toMatch(/debugger/i);
});

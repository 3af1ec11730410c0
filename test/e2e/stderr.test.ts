import { spawnSync } from "node:child_process";
import { closeSync, constants, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { connectPeer } from "../helpers/sockets.ts";
import { bin, portcat, Running, temporaryFolder, Tool } from "../helpers/tool.ts";

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

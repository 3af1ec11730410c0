import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { fileWith } from "../helpers/content.ts";
import { temporaryFolder, Tool } from "../helpers/tool.ts";

const size = 8 << 20;

/** A server that talks all the time and reads slowly, and tells how much it got. */
async function talkingSlowReader(): Promise<{ port: number; got: Promise<number> }> {
  let told: (count: number) => void = () => undefined;
  const got = new Promise<number>((resolve) => (told = resolve));
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let count = 0;
    const talking = setInterval(() => socket.write("blah blah "), 5);
    const over = () => {
      clearInterval(talking);
      socket.destroy();
      told(count);
    };
    socket.on("data", (chunk: Buffer) => {
      count += chunk.length;
      socket.pause();
      setTimeout(() => socket.resume(), 2);
    });
    socket.on("end", over);
    socket.on("error", over);
  });
  onTestFinished(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as { port: number }).port, got };
}

describe.skipIf(process.platform !== "linux")("leaving a peer that talks and reads slowly", () => {
  test.each([
    ["--send-only"],
    ["--bytes", "5"],
    ["--send-only", "--linger", "0"],
    ["--bytes", "5", "--linger", "0"],
  ])("%s loses nothing of what was sent", async (...flags) => {
    const { port, got } = await talkingSlowReader();
    const stdin = fileWith(Buffer.alloc(size, "x"));
    const args = ["tcp", "connect", "127.0.0.1", String(port), ...flags];
    const tool = new Tool(args, { stdin });
    const { code, stdout } = await tool.ended;
    expect(await got).toBe(size);
    expect(code).toBe(0);
    expect(stdout.toString()).toBe(flags[0] === "--bytes" ? "blah " : "");
    expect(tool.all("closed")).toMatchObject([{ sent: size, reason: "end" }]);
  });
});

test("a listener that cannot have its place leaves the ready file of the one that has it", async () => {
  const ready = join(temporaryFolder(), "ready.json");
  const first = new Tool(["tcp", "listen", "127.0.0.1", "0", "--ready-file", ready]);
  const port = await first.port();
  while (!existsSync(ready)) await new Promise((resolve) => setTimeout(resolve, 10));
  const second = new Tool(["tcp", "listen", "127.0.0.1", String(port), "--ready-file", ready]);
  expect((await second.ended).code).toBe(7);
  expect(JSON.parse(readFileSync(ready, "utf8"))).toMatchObject({ port });
});

test("a ready file that is no regular file is left alone, exit code 2", async () => {
  const tool = new Tool(["tcp", "listen", "127.0.0.1", "0", "--ready-file", "/dev/null"]);
  expect((await tool.ended).code).toBe(2);
  expect(tool.all("error")[0]?.message).toMatch(/\/dev\/null.*left alone/);
  expect(() => writeFileSync("/dev/null", "still a device")).not.toThrow();
});

test("a signal does not send the beginning of a message that stdin has not ended", async () => {
  const { createSocket } = await import("node:dgram");
  const receiver = createSocket("udp4");
  const datagrams: string[] = [];
  receiver.on("message", (bytes) => datagrams.push(bytes.toString()));
  onTestFinished(() => void receiver.close());
  receiver.bind(0, "127.0.0.1");
  await once(receiver, "listening");
  const place = `127.0.0.1:${String(receiver.address().port)}`;
  const tool = new Tool(["udp", "bind", "127.0.0.1", "0", "--peer", place, "--lines"]);
  await tool.port();
  tool.stdin.write("whole\npartial");
  await once(receiver, "message");
  tool.child.kill("SIGTERM");
  expect((await tool.ended).code).toBe(143);
  expect(tool.all("closed")).toMatchObject([{ sent: 6, datagrams: { sent: 1 } }]);
  expect(datagrams).toEqual(["whole\n"]);
});

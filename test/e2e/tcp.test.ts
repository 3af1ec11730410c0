import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { descriptorOf, mebibyte } from "../helpers/content.ts";
import { connectPeer, startServer } from "../helpers/sockets.ts";
import { Tool } from "../helpers/tool.ts";

test("tcp listen and tcp connect carry bytes both ways and end with code 0", async () => {
  const listener = new Tool(["tcp", "listen", "127.0.0.1", "0"]);
  const client = new Tool(["tcp", "connect", "127.0.0.1", String(await listener.port())]);
  client.stdin.end("question\n");
  listener.stdin.end("answer\n");
  const [listened, connected] = await Promise.all([listener.ended, client.ended]);
  expect(listened).toMatchObject({ code: 0, stdout: Buffer.from("question\n") });
  expect(connected).toMatchObject({ code: 0, stdout: Buffer.from("answer\n") });
  expect(listener.all("closed")).toMatchObject([{ received: 9, sent: 7, reason: "end" }]);
  expect(client.all("closed")).toMatchObject([{ received: 7, sent: 9, reason: "end" }]);
});

test("a client that half-closes still gets an answer that takes its time", async () => {
  const { port, client } = await startServer();
  const tool = new Tool(["tcp", "connect", "127.0.0.1", String(port)]);
  tool.stdin.end("question");
  const peer = await client();
  await peer.ended;
  expect(peer.received().toString()).toBe("question");
  await new Promise((resolve) => setTimeout(resolve, 700));
  peer.socket.end("answer");
  expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("answer") });
});

test("without --keep-open a second client is refused as soon as the first is there", async () => {
  const tool = new Tool(["tcp", "listen", "127.0.0.1", "0"]);
  const port = await tool.port();
  const first = await connectPeer({ port, host: "127.0.0.1" });
  await tool.event("connected");
  await expect(connectPeer({ port, host: "127.0.0.1" })).rejects.toThrow("ECONNREFUSED");
  first.socket.end();
  tool.stdin.end();
  expect((await tool.ended).code).toBe(0);
});

describe.skipIf(!existsSync("/dev/null"))("stdout that is /dev/null", () => {
  const connecting = (port: number) => ["tcp", "connect", "127.0.0.1", String(port)];

  test("takes every byte, and they are counted", async () => {
    const server = await startServer();
    const stdout = descriptorOf("/dev/null", "w");
    const tool = new Tool(connecting(server.port), { stdin: "null", stdout });
    (await server.client()).socket.end(Buffer.alloc(mebibyte));
    expect((await tool.ended).code).toBe(0);
    expect(tool.all("closed")).toMatchObject([{ received: mebibyte, reason: "end" }]);
  });

  test("is an error, code 1, where it is open for reading only", async () => {
    const server = await startServer();
    const stdout = descriptorOf("/dev/null", "r");
    const tool = new Tool(connecting(server.port), { stdin: "null", stdout });
    (await server.client()).socket.end("nobody gets this");
    expect((await tool.ended).code).toBe(1);
    expect(tool.all("error")).toMatchObject([{ code: "EBADF", exitCode: 1 }]);
  });
});

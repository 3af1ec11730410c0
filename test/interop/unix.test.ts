import { randomBytes } from "node:crypto";
import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { activate } from "../helpers/activation.ts";
import { connectedSocket, descriptorOf, listeningSocket } from "../helpers/descriptors.ts";
import { fileWith } from "../helpers/content.ts";
import { start, streamPeers, testWith } from "../helpers/peers.ts";
import { connectPeer } from "../helpers/sockets.ts";
import { bothEnd, join as joinPeers, testStreams } from "../helpers/stream-cases.ts";
import { temporaryFolder, Tool } from "../helpers/tool.ts";

const newPath = () => join(temporaryFolder(), "socket");

testStreams("a UNIX socket", () => ({ kind: "unix", path: newPath() }));

testWith(["nc"], "the socket file is gone when a client has been served", async () => {
  const path = newPath();
  const tool = new Tool(["unix", "listen", path]);
  await tool.event("listening");
  const client = start("nc", ["-N", "-U", path]);
  client.stdin.end("question\n");
  tool.stdin.end("answer\n");
  expect(await client.ended).toMatchObject({ code: 0, stdout: Buffer.from("answer\n") });
  expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("question\n") });
  expect(existsSync(path)).toBe(false);
});

testWith(["ncat"], "the socket file that ncat left behind is replaced", async () => {
  const path = newPath();
  const ncat = start("ncat", ["-lU", path]);
  while (!existsSync(path)) await new Promise((resolve) => setTimeout(resolve, 10));
  ncat.child.kill("SIGKILL");
  await ncat.ended;
  expect(existsSync(path)).toBe(true);
  const tool = new Tool(["unix", "listen", path]);
  await tool.event("listening");
  const client = start("ncat", ["-U", path]);
  client.stdin.end("question\n");
  tool.stdin.end();
  expect((await client.ended).code).toBe(0);
  expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("question\n") });
});

for (const stdin of ["a file", "a pipe that stays open"])
  testWith(["curl"], `a canned response from ${stdin} satisfies curl`, async () => {
    const path = newPath();
    const response = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nfloor";
    const options = stdin === "a file" ? { stdin: fileWith(response) } : {};
    const tool = new Tool(["unix", "listen", path], options);
    await tool.event("listening");
    if (stdin !== "a file") tool.stdin.write(response);
    const curl = start("curl", ["-sS", "--unix-socket", path, "http://here/"]);
    expect(await curl.ended).toMatchObject({ code: 0, stdout: Buffer.from("floor"), stderr: "" });
    const { code, stdout } = await tool.ended;
    expect(stdout.toString()).toMatch(/^GET \/ HTTP\/1\.1\r\nHost: here\r\n[^]*\r\n\r\n$/);
    expect(code).toBe(0);
    expect(tool.all("closed")).toMatchObject([{ sent: response.length, reason: "end" }]);
  });

describe("the abstract namespace", () => {
  const nodeMajor = Number(process.versions.node.split(".")[0]);
  const newName = () => `@portcat-${randomBytes(8).toString("hex")}`;
  const socat = streamPeers.filter(({ program }) => program === "socat");

  for (const role of ["listener", "client"] as const)
    for (const peer of nodeMajor >= 22 ? socat : [])
      testWith(["socat"], `socat and portcat as the ${role} meet under a name`, async () => {
        const place = { kind: "unix", path: newName() } as const;
        const pair = await joinPeers(role, peer, place, "both");
        pair.tool.stdin.end("question\n");
        pair.other.stdin.end("answer\n");
        const ended = await bothEnd(pair);
        expect(ended.other.stdout.toString()).toBe("question\n");
        expect(ended.tool.stdout.toString()).toBe("answer\n");
        expect(pair.tool.all("connected")).toMatchObject([{ path: place.path }]);
        expect(pair.tool.all("closed")).toMatchObject([{ received: 7, sent: 9, reason: "end" }]);
        expect(pair.tool.all("warning")).toEqual([]);
      });

  test.skipIf(nodeMajor >= 22 || process.platform !== "linux")(
    "on Node 20 both sides warn that names are padded, and meet each other",
    async () => {
      const name = newName();
      const listener = new Tool(["unix", "listen", name]);
      await listener.event("listening");
      const client = new Tool(["unix", "connect", name]);
      client.stdin.end("question\n");
      listener.stdin.end("answer\n");
      expect(await listener.ended).toMatchObject({ code: 0, stdout: Buffer.from("question\n") });
      expect(await client.ended).toMatchObject({ code: 0, stdout: Buffer.from("answer\n") });
      for (const tool of [listener, client])
        expect(tool.all("warning")).toMatchObject([
          { message: expect.stringContaining("Node 20 pads abstract names") as string },
        ]);
    },
  );
});

describe("descriptors of UNIX sockets", () => {
  testWith(
    ["systemd-socket-activate", "socat"],
    "a listener that systemd hands over serves the client that woke it up",
    async () => {
      const path = newPath();
      const tool = await activate([], path, ["unix", "listen", "--fd", "3"]);
      tool.stdin.end("answer\n");
      const client = start("socat", ["-t", "30", "-", `UNIX-CONNECT:${path}`]);
      client.stdin.end("question\n");
      expect(await client.ended).toMatchObject({ code: 0, stdout: Buffer.from("answer\n") });
      expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("question\n") });
      expect(tool.stderr).toContain(`"received":9,"sent":7`);
    },
  );

  testWith(
    ["systemd-socket-activate", "socat"],
    "a connection that systemd accepted and hands over is talked through",
    async () => {
      const path = newPath();
      const parent = await activate(["--accept"], path, ["unix", "connect", "--fd", "3"]);
      parent.stdin.end("answer\n");
      const client = start("socat", ["-t", "30", "-", `UNIX-CONNECT:${path}`]);
      client.stdin.end("question\n");
      expect(await client.ended).toMatchObject({ code: 0, stdout: Buffer.from("answer\n") });
      await parent.says(/Child \d+ died with code 0/);
      expect(parent.received().toString()).toBe("question\n");
    },
  );

  test.skipIf(process.platform === "win32")("a listening one is listened on", async () => {
    const path = newPath();
    const server = await listeningSocket({ path: `${path}.made` });
    const tool = new Tool(["unix", "listen", "--fd", "3"], { descriptors: [descriptorOf(server)] });
    // Node removes the file that it made when it closes the server.
    renameSync(`${path}.made`, path);
    server.close();
    await tool.event("listening");
    const client = await connectPeer({ path });
    client.socket.end("question");
    tool.stdin.end("answer");
    await client.ended;
    expect(client.received().toString()).toBe("answer");
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("question") });
    expect(tool.all("closed")).toMatchObject([{ received: 8, sent: 6, reason: "end" }]);
  });

  test.skipIf(process.platform === "win32")("a connected one is talked through", async () => {
    const { accepted, peer } = await connectedSocket({ path: newPath() });
    const tool = new Tool(["unix", "connect", "--fd", "3"], {
      descriptors: [descriptorOf(accepted)],
    });
    accepted.destroy();
    tool.stdin.end("question");
    await peer.ended;
    expect(peer.received().toString()).toBe("question");
    peer.socket.end("answer");
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("answer") });
    expect(tool.all("closed")).toMatchObject([{ received: 6, sent: 8, reason: "end" }]);
  });
});

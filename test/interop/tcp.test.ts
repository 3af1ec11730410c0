import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { activate, freeAddress } from "../helpers/activation.ts";
import { connectedSocket, descriptorOf, listeningSocket } from "../helpers/descriptors.ts";
import { content, fileWith, sha256 as hashOf } from "../helpers/content.ts";
import { hasIPv6, start, testWith } from "../helpers/peers.ts";
import { connectPeer } from "../helpers/sockets.ts";
import { testStreams } from "../helpers/stream-cases.ts";
import { Tool } from "../helpers/tool.ts";

testStreams("TCP on IPv4", () => ({ kind: "tcp", host: "127.0.0.1", port: 0 }));

describe.skipIf(!hasIPv6)("where the machine has IPv6", () => {
  testStreams("TCP on IPv6", () => ({ kind: "tcp", host: "::1", port: 0 }));
});

describe("socket activation over TCP", () => {
  testWith(
    ["systemd-socket-activate", "nc"],
    "a listener that systemd hands over serves the client that woke it up",
    async () => {
      const { host, port } = await freeAddress();
      const tool = await activate([], `${host}:${String(port)}`, ["tcp", "listen", "--fd", "3"]);
      tool.stdin.end("answer\n");
      const client = start("nc", ["-N", host, String(port)]);
      client.stdin.end("question\n");
      expect(await client.ended).toMatchObject({ code: 0, stdout: Buffer.from("answer\n") });
      expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("question\n") });
      expect(tool.stderr).toContain(`"address":"${host}","port":${String(port)}`);
      expect(tool.stderr).toContain(`"received":9,"sent":7`);
    },
  );

  testWith(
    ["systemd-socket-activate", "nc"],
    "with --keep-open a listener that systemd hands over serves one client after another",
    async () => {
      const { host, port } = await freeAddress();
      const args = ["tcp", "listen", "--fd", "3", "--keep-open", "--no-stdin"];
      const tool = await activate([], `${host}:${String(port)}`, args);
      for (const word of ["first\n", "second\n"]) {
        const client = start("nc", ["-N", host, String(port)]);
        client.stdin.end(word);
        expect(await client.ended).toMatchObject({ code: 0, stdout: Buffer.alloc(0) });
      }
      await tool.says(/"event":"closed".*"id":2/);
      tool.child.kill("SIGTERM");
      expect(await tool.ended).toMatchObject({
        code: 143,
        stdout: Buffer.from("first\nsecond\n"),
      });
    },
  );

  testWith(
    ["systemd-socket-activate", "nc"],
    "a connection that systemd accepted and hands over as descriptor 3 is talked through",
    async () => {
      const { host, port } = await freeAddress();
      const args = ["tcp", "connect", "--fd", "3"];
      const parent = await activate(["--accept"], `${host}:${String(port)}`, args);
      parent.stdin.end("answer\n");
      const client = start("nc", ["-N", host, String(port)]);
      client.stdin.end("question\n");
      expect(await client.ended).toMatchObject({ code: 0, stdout: Buffer.from("answer\n") });
      await parent.says(/Child \d+ died with code 0/);
      expect(parent.received().toString()).toBe("question\n");
      expect(parent.stderr).toContain(`"received":9,"sent":7`);
    },
  );

  testWith(
    ["systemd-socket-activate", "nc"],
    "a connection that is stdin and stdout, as inetd hands it over, is talked through",
    async () => {
      const { host, port } = await freeAddress();
      const args = ["tcp", "connect", "--fd", "0", "--no-stdin"];
      const parent = await activate(["--accept", "--inetd"], `${host}:${String(port)}`, args);
      const client = start("nc", ["-N", host, String(port)]);
      client.stdin.end("echo\n");
      expect(await client.ended).toMatchObject({ code: 0, stdout: Buffer.from("echo\n") });
      await parent.says(/Child \d+ died with code 0/);
      expect(parent.stderr).toContain(`"received":5,"sent":0`);
    },
  );
});

describe("TCP descriptors of a plain parent", () => {
  test("a listening one is listened on", async () => {
    const server = await listeningSocket({ port: 0, host: "127.0.0.1" });
    const { port } = server.address() as AddressInfo;
    const tool = new Tool(["tcp", "listen", "--fd", "3"], { descriptors: [descriptorOf(server)] });
    server.close();
    expect(await tool.event("listening")).toMatchObject({ address: "127.0.0.1", port });
    const client = await connectPeer({ port, host: "127.0.0.1" });
    client.socket.end("question");
    tool.stdin.end("answer");
    await client.ended;
    expect(client.received().toString()).toBe("answer");
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("question") });
    expect(tool.all("closed")).toMatchObject([{ received: 8, sent: 6, reason: "end" }]);
    await expect(connectPeer({ port, host: "127.0.0.1" })).rejects.toThrow("ECONNREFUSED");
  });

  test("a connected one is talked through", async () => {
    const { accepted, peer } = await connectedSocket({ port: 0, host: "127.0.0.1" });
    const { bytes } = content(1 << 20);
    const tool = new Tool(["tcp", "connect", "--fd", "3"], {
      descriptors: [descriptorOf(accepted)],
      stdin: fileWith(bytes),
    });
    const { localPort, remotePort } = accepted;
    accepted.destroy();
    peer.socket.end("answer");
    await peer.ended;
    expect(peer.received().equals(bytes)).toBe(true);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("answer") });
    expect(tool.all("connected")).toMatchObject([
      { local: { port: localPort }, remote: { address: "127.0.0.1", port: remotePort } },
    ]);
    expect(tool.all("closed")).toMatchObject([{ received: 6, sent: 1 << 20, reason: "end" }]);
  });
});

describe("HTTP by hand", () => {
  const page = "<p>Moved to the second floor.</p>\n";

  for (const [kind, header] of [
    ["with a length", `Content-Length: ${String(page.length)}\r\n`],
    ["that ends with the connection", ""],
  ] as const)
    testWith(["curl"], `a canned response ${kind}, from a file, satisfies curl`, async () => {
      const response = `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n${header}\r\n${page}`;
      const tool = new Tool(["tcp", "listen", "127.0.0.1", "0"], { stdin: fileWith(response) });
      const port = String(await tool.port());
      const curl = start("curl", ["-sS", "--noproxy", "*", `http://127.0.0.1:${port}/floor?no=2`]);
      expect(await curl.ended).toMatchObject({ code: 0, stdout: Buffer.from(page), stderr: "" });
      const { code, stdout } = await tool.ended;
      expect(stdout.toString()).toMatch(
        /^GET \/floor\?no=2 HTTP\/1\.1\r\nHost: 127\.0\.0\.1:\d+\r\n/,
      );
      expect(stdout.toString()).toMatch(/\r\n\r\n$/);
      expect(code).toBe(0);
      expect(tool.all("closed")).toMatchObject([{ sent: response.length, reason: "end" }]);
    });

  test.each(["close", "keep-alive"])(
    "a request from a pipe with Connection: %s gets the whole response of an HTTP server",
    async (connection) => {
      const { bytes, hash } = content(1 << 20);
      const server = createServer((request, response) => {
        const asked = `${request.method ?? ""} ${request.url ?? ""}`;
        response.writeHead(200, { "X-Asked": asked, "Content-Length": bytes.length }).end(bytes);
      }).listen(0, "127.0.0.1");
      onTestFinished(() => void server.close());
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const tool = new Tool(["tcp", "connect", "127.0.0.1", String(port)]);
      tool.stdin.end(`GET /all HTTP/1.1\r\nHost: here\r\nConnection: ${connection}\r\n\r\n`);
      const { code, stdout } = await tool.ended;
      const bodyAt = stdout.indexOf("\r\n\r\n") + 4;
      expect(stdout.subarray(0, bodyAt).toString()).toMatch(
        /^HTTP\/1\.1 200 OK\r\nX-Asked: GET \/all\r\n/,
      );
      expect(hashOf(stdout.subarray(bodyAt))).toBe(hash);
      expect(code).toBe(0);
      expect(tool.all("closed")).toMatchObject([{ received: stdout.length, reason: "end" }]);
    },
  );
});

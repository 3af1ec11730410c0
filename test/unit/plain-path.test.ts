import { createHash } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type * as fs from "node:fs";
import { statSync } from "node:fs";
import * as tls from "node:tls";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Chunk } from "../../src/flow/chunk.ts";
import { issue } from "../helpers/certificates.ts";
import { content, mebibyte } from "../helpers/content.ts";
import { udpPeer } from "../helpers/datagrams.ts";
import { startServer } from "../helpers/sockets.ts";

// What decides is read once, when the modules are loaded: each test loads its own.
beforeEach(() => void vi.resetModules());
afterEach(() => {
  vi.unstubAllEnvs();
  vi.doUnmock("node:fs");
});

describe.each<[name: string, value: string | undefined, isPlain: boolean]>([
  ["with PORTCAT_PLAIN=1", "1", true],
  ["with PORTCAT_PLAIN=0", "0", false],
  ["without PORTCAT_PLAIN", undefined, false],
])("%s", (_, value, isPlain) => {
  beforeEach(() => void vi.stubEnv("PORTCAT_PLAIN", value));
  const way = isPlain ? "through Node's stream alone" : "in our own way";

  test(`a socket of ours is read ${way}`, async () => {
    const { SocketReads } = await import("../../src/endpoints/socket-reads.ts");
    const { socketOptions } = new SocketReads();
    if (isPlain) expect(socketOptions).toEqual({});
    else expect(Object.keys(socketOptions)).toEqual(["onread"]);
  });

  test(`a socket that a server has accepted is read ${way}`, async () => {
    const { adopt, SocketReads } = await import("../../src/endpoints/socket-reads.ts");
    const server = createServer({ pauseOnConnect: true });
    onTestFinished(() => void server.close());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    onTestFinished(() => void client.destroy());
    const [accepted] = (await once(server, "connection")) as [Socket];
    const adopted = adopt(accepted, new SocketReads());
    onTestFinished(() => void adopted.destroy());
    expect(adopted === accepted).toBe(isPlain);
  });

  test(`a stream over TLS is read ${way}, and all of it comes`, async () => {
    const { SocketReads } = await import("../../src/endpoints/socket-reads.ts");
    const { cert, key } = await issue();
    const { bytes, hash } = content(4 * mebibyte);
    const server = tls.createServer({ cert, key }, (socket) => socket.end(bytes));
    onTestFinished(() => void server.close());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const lower = connect(port, "127.0.0.1");
    const secure = tls.connect({ socket: lower, ca: cert, servername: "localhost" });
    onTestFinished(() => void secure.destroy());
    await once(secure, "secureConnect");
    const reads = new SocketReads();
    reads.attachBehindHandshake(secure);
    const [received, lengths] = [createHash("sha256"), new Set<number>()];
    await new Promise<void>((resolve, reject) => {
      const write = (chunk: Chunk) => {
        received.update(chunk.bytes);
        lengths.add(chunk.bytes.length);
        setImmediate(() => chunk.release());
      };
      reads.start({ write, end: resolve }, reject);
    });
    expect(received.digest("hex")).toBe(hash);
    // As much as one record has (RFC 8446, section 5.1), or several together.
    expect(Math.max(...lengths) > 16_384).toBe(!isPlain);
  });

  test(`a socket is written ${way}`, async () => {
    const { SocketSink } = await import("../../src/endpoints/socket-sink.ts");
    const { tcpEnds } = await import("../../src/endpoints/connection.ts");
    const { port, client } = await startServer();
    const socket = connect(port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    const peer = await client();
    if (socket.connecting) await once(socket, "connect");
    const sink = new SocketSink(socket, tcpEnds(socket), () => false);
    sink.open(
      () => undefined,
      () => undefined,
    );
    const arrived = once(peer.socket, "data");
    await new Promise<void>((resolve) =>
      sink.write({ bytes: Buffer.from("bytes"), release: resolve }),
    );
    // Node counts what it writes, and knows nothing of what we write past it.
    expect(socket.bytesWritten).toBe(isPlain ? 5 : 0);
    expect(sink.delivered).toBe(5);
    await arrived;
    expect(peer.received().toString()).toBe("bytes");
  });

  test(`a UDP socket is read and written ${way}`, async () => {
    const readSync = vi.fn((await vi.importActual<typeof fs>("node:fs")).readSync);
    vi.doMock("node:fs", async (original) => ({ ...(await original<typeof fs>()), readSync }));
    const { UdpBatchSource } = await import("../../src/endpoints/udp-batches.ts");
    const { UdpSink } = await import("../../src/endpoints/udp.ts");
    const [{ socket }, peer] = [await udpPeer(), await udpPeer()];
    const connected = once(socket, "connect");
    socket.connect(peer.port, "127.0.0.1");
    await connected;
    const source = new UdpBatchSource(peer.socket, Infinity);
    onTestFinished(() => source.stop());
    const received = vi.fn();
    source.start({ write: received, end: () => undefined }, received);
    const send = vi.spyOn(socket, "send");
    const sink = new UdpSink(socket, {
      destination: () => undefined,
      refused: () => undefined,
      done: () => undefined,
    });
    sink.write({ bytes: Buffer.from("datagram"), release: () => undefined });
    expect((await peer.next()).bytes.toString()).toBe("datagram");
    expect(send).toHaveBeenCalledTimes(isPlain ? 1 : 0);
    expect(received).toHaveBeenCalledOnce();
    expect(readSync).toHaveBeenCalledTimes(isPlain ? 0 : 1);
  });

  test(`stdout that is a file is written ${way}`, async () => {
    const file = statSync(import.meta.filename);
    vi.doMock("node:fs", async (original) => ({
      ...(await original<typeof fs>()),
      fstatSync: () => file,
    }));
    const { openStdout } = await import("../../src/endpoints/stdout.ts");
    const { DescriptorSink } = await import("../../src/flow/descriptor-sink.ts");
    const { StreamSink } = await import("../../src/flow/stream-sink.ts");
    expect(openStdout()).toBeInstanceOf(isPlain ? StreamSink : DescriptorSink);
  });
});

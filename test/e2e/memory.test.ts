import { once } from "node:events";
import { createReadStream, existsSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import * as tls from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { issue } from "../helpers/certificates.ts";
import { descriptorOf, largeFile, mebibyte } from "../helpers/content.ts";
import { systemPipe } from "../helpers/pipe.ts";
import { memoryOf, watchMemory } from "../helpers/processes.ts";
import { readAt } from "../helpers/readers.ts";
import { startServer } from "../helpers/sockets.ts";
import { Tool } from "../helpers/tool.ts";

const size = 256 * mebibyte;
const allowance = 32 * mebibyte;
/** Slow for long enough that all would pile up, if it could; then fast, for the test to end. */
const pace = { everyMs: 10, forMs: 4000 };

const measurable = existsSync("/proc/self/status");

test.skipIf(!measurable)(
  "a file of 256 MiB goes to a slow peer in 32 MiB of memory at most, whole",
  { timeout: 90_000 },
  async () => {
    const { path, hash } = largeFile(size);
    const { port, client } = await startServer();
    const idle = new Tool(["tcp", "connect", "127.0.0.1", String(port)]);
    await client();
    await idle.event("connected");
    const idleSize = memoryOf(idle, "VmRSS");
    idle.child.kill("SIGTERM");
    await idle.ended;

    const server = createServer({ pauseOnConnect: true });
    onTestFinished(() => void server.close());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const accepted = once(server, "connection") as Promise<[Socket]>;
    const to = String((server.address() as AddressInfo).port);
    const tool = new Tool(["tcp", "connect", "127.0.0.1", to], { stdin: descriptorOf(path, "r") });
    const most = watchMemory(tool);
    const [socket] = await accepted;
    onTestFinished(() => void socket.destroy());
    const peer = readAt(socket, pace);
    expect(await peer.hash).toBe(hash);
    expect(peer.count()).toBe(size);
    socket.end();
    expect((await tool.ended).code).toBe(0);
    expect(tool.all("closed")).toMatchObject([{ sent: size, received: 0, reason: "end" }]);
    expect(tool.all("closed")[0]?.duration).toBeGreaterThan(pace.forMs / 2);
    expect(idleSize).toBeGreaterThan(0);
    expect(most() - idleSize).toBeLessThan(allowance);
  },
);

/** Once is enough for what takes long and is the same on every Node. */
const security = process.version.startsWith("v20.") ? ["", " --tls"] : [""];

test.skipIf(!measurable).each(security)(
  "256 MiB received%s goes to a slow reader of stdout in 32 MiB of memory at most, whole",
  { timeout: 90_000 },
  async (flag) => {
    const { path, hash } = largeFile(size);
    const pipe = systemPipe();
    const { cert, certFile, keyFile } = await issue();
    const own = flag === "" ? [] : ["--tls", "--cert", certFile, "--key", keyFile];
    const tool = new Tool(["tcp", "listen", "127.0.0.1", "0", ...own], { stdout: pipe.writer });
    pipe.handedOver();
    const port = await tool.port();
    const idleSize = memoryOf(tool, "VmRSS");
    const most = watchMemory(tool);
    const to = { port, host: "127.0.0.1" };
    const socket = flag === "" ? connect(to) : tls.connect({ ...to, ca: cert });
    onTestFinished(() => void socket.destroy());
    await once(socket, flag === "" ? "connect" : "secureConnect");
    const reader = readAt(pipe.reader, pace);
    await pipeline(createReadStream(path, { highWaterMark: mebibyte }), socket);
    expect(await reader.hash).toBe(hash);
    expect(reader.count()).toBe(size);
    expect((await tool.ended).code).toBe(0);
    expect(tool.all("closed")).toMatchObject([{ received: size, sent: 0, reason: "end" }]);
    expect(tool.all("closed")[0]?.duration).toBeGreaterThan(pace.forMs / 2);
    expect(idleSize).toBeGreaterThan(0);
    expect(most() - idleSize).toBeLessThan(allowance);
  },
);

import { existsSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { content, fileWith, mebibyte, silence } from "../helpers/content.ts";
import { fullListener } from "../helpers/full-listener.ts";
import { networkCanBeSilent, portcatWithSilentResolver } from "../helpers/namespace.ts";
import { readToEnd, systemPipe } from "../helpers/pipe.ts";
import { frozenClient } from "../helpers/readers.ts";
import { connectPeer, type Peer, startServer } from "../helpers/sockets.ts";
import { type Ended, portcat, type Running, temporaryFolder, Tool } from "../helpers/tool.ts";

/** A program at some stage of its life, and what a signal has to close. */
interface Stage {
  tool: Tool;
  peers?: Peer[];
  socketFile?: string;
  /** How many `closed` events there are to be, where not one for each peer. */
  closings?: number;
  /** More about the error line than that it was a signal. */
  message?: RegExp;
}

const at = (port: number) => ({ host: "127.0.0.1", port });
const listen = ["tcp", "listen", "127.0.0.1", "0"];

/** A listener whose client sends more than a stdout that nobody reads can take. */
async function blocked(listener: readonly string[], reader: "pipe" | "socket pair") {
  const pipe = reader === "pipe" ? systemPipe() : undefined;
  const tool = new Tool(listener, pipe && { stdout: pipe.writer });
  pipe?.handedOver();
  tool.child.stdout?.pause();
  const bound = await tool.event("listening");
  const client = await connectPeer(
    bound.transport === "unix" ? { path: bound.path } : at(bound.port),
  );
  client.socket.write(Buffer.alloc(16 * mebibyte));
  await tool.event("connected");
  let before = -1;
  while (client.socket.bytesWritten - client.socket.writableLength > before) {
    before = client.socket.bytesWritten - client.socket.writableLength;
    await silence(200);
  }
  return { tool, client, pipe };
}

const stages: Record<string, () => Promise<Stage>> = {
  "a TCP listener that waits for a client": async () => {
    const tool = new Tool(listen);
    await tool.port();
    return { tool };
  },
  "a UNIX listener that waits for a client": async () => {
    const socketFile = join(temporaryFolder(), "socket");
    const tool = new Tool(["unix", "listen", socketFile]);
    await tool.event("listening");
    expect(existsSync(socketFile)).toBe(true);
    return { tool, socketFile };
  },
  "a listener with an idle client": async () => {
    const tool = new Tool(listen);
    const peers = [await connectPeer(at(await tool.port()))];
    await tool.event("connected");
    return { tool, peers };
  },
  "a client that is idle": async () => {
    const { port, client } = await startServer();
    const tool = new Tool(["tcp", "connect", "127.0.0.1", String(port)]);
    const peers = [await client()];
    await tool.event("connected");
    return { tool, peers };
  },
  "a listener with --keep-open and clients": async () => {
    const tool = new Tool([...listen, "-k"]);
    const port = await tool.port();
    const peers = [await connectPeer(at(port)), await connectPeer(at(port))];
    await tool.event("connected", 2);
    return { tool, peers };
  },
  "a UNIX listener with --keep-open and clients": async () => {
    const socketFile = join(temporaryFolder(), "socket");
    const tool = new Tool(["unix", "listen", "-k", socketFile]);
    await tool.event("listening");
    const peers = [
      await connectPeer({ path: socketFile }),
      await connectPeer({ path: socketFile }),
    ];
    await tool.event("connected", 2);
    return { tool, peers, socketFile };
  },
  "a listener whose stdout, a pipe, nobody reads": async () => {
    const { tool, client } = await blocked(listen, "pipe");
    return { tool, peers: [client], message: /\d+ bytes received were not written/ };
  },
  "a listener whose stdout, a socket pair, nobody reads": async () => {
    const { tool, client } = await blocked(listen, "socket pair");
    return { tool, peers: [client], message: /\d+ bytes received were not written/ };
  },
  "a listener with --keep-open whose stdout nobody reads": async () => {
    const { tool, client } = await blocked([...listen, "-k"], "pipe");
    return { tool, peers: [client], message: /ended by/ };
  },
  "a listener that sends a file to a client that reads nothing": async () => {
    const tool = new Tool(listen, { stdin: fileWith(content(24 * mebibyte).bytes) });
    await frozenClient(at(await tool.port()));
    await tool.event("connected");
    return { tool, closings: 1 };
  },
  "a client that connects to an address that does not answer": async () => {
    const tool = new Tool(["tcp", "connect", "-v", "127.0.0.1", String(await fullListener())]);
    await tool.event("trying");
    return { tool };
  },
  "a client that waits to try again": async () => {
    const path = join(temporaryFolder(), "nobody");
    const tool = new Tool(["unix", "connect", path, "--retry", "9", "--retry-interval", "1h"]);
    await tool.event("retry");
    return { tool };
  },
  "a UDP socket that waits for datagrams": async () => {
    const tool = new Tool(["udp", "bind", "127.0.0.1", "0"]);
    await tool.port();
    return { tool, closings: 1 };
  },
};

/** How it ended, unless it takes so long that the signal did not end it. */
async function endsSoon(running: Running, withinMs = 8000): Promise<Ended> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`it has not ended in ${String(withinMs)} ms; stderr:\n${running.stderr}`));
    }, withinMs);
  });
  return Promise.race([running.ended, late]).finally(() => clearTimeout(timer));
}

describe.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s", (signal) => {
  const exitCode = 128 + constants.signals[signal];

  test.each(Object.entries(stages))(
    "ends %s with 128 + its number, a line, and everything closed",
    async (_, reach) => {
      const { tool, peers = [], closings = peers.length, socketFile, message } = await reach();
      tool.child.kill(signal);
      for (const peer of peers) await peer.ended;
      const ended = await endsSoon(tool);
      expect(ended).toMatchObject({ code: exitCode, signal: null });
      const [error, ...more] = tool.all("error");
      expect(more).toEqual([]);
      expect(error).toMatchObject({ code: signal, exitCode });
      expect(error?.message).toMatch(
        message ?? new RegExp(`^ended by ${signal}( after \\d+ bytes received and \\d+ sent)?$`),
      );
      const reasons = tool.all("closed").map(({ reason }) => reason);
      expect(reasons).toEqual(Array<string>(closings).fill(signal));
      if (socketFile !== undefined) expect(existsSync(socketFile)).toBe(false);
    },
  );

  test("is told to a person in one line", async () => {
    const tool = portcat(listen);
    await tool.says(/listening on/);
    tool.child.kill(signal);
    expect(await endsSoon(tool)).toMatchObject({ code: exitCode, stdout: Buffer.alloc(0) });
    expect(tool.stderr.split("\n").slice(1)).toEqual([`portcat: ended by ${signal}`, ""]);
  });

  test.skipIf(!networkCanBeSilent)(
    "does not wait for a name server that does not answer",
    async () => {
      const args = ["tcp", "connect", "-v", "nobody.example", "80"];
      const tool = portcatWithSilentResolver(25, args);
      // Nothing tells that the look-up is under way; it lasts far longer than this.
      await silence(1500);
      tool.child.kill(signal);
      const ended = await endsSoon(tool);
      // To a shell, an end by the signal itself is 128 + its number too.
      expect(ended.code ?? 128 + constants.signals[ended.signal ?? "SIGKILL"]).toBe(exitCode);
      expect(ended.stderr).toBe(`portcat: ended by ${signal}\n`);
    },
  );
});

test.each(["pipe", "socket pair"] as const)(
  "a second signal ends at once, while a stdout (a %s) that nobody reads is waited for, and removes the socket file",
  async (reader) => {
    const socketFile = join(temporaryFolder(), "socket");
    const { tool } = await blocked(["unix", "listen", "-k", socketFile], reader);
    expect(existsSync(socketFile)).toBe(true);
    tool.child.kill("SIGINT");
    await silence(200);
    tool.child.kill("SIGTERM");
    expect(await endsSoon(tool)).toMatchObject({ code: 143 });
    expect(tool.all("closed")).toEqual([]);
    expect(existsSync(socketFile)).toBe(false);
  },
);

test.each([[[]], [["-k"]]])(
  "a signal while nobody reads stdout tells exactly how many of the bytes received are not in it: listen %j",
  async (options) => {
    const { tool, pipe } = await blocked([...listen, ...options], "pipe");
    tool.child.kill("SIGTERM");
    expect((await endsSoon(tool)).code).toBe(143);
    const written = pipe === undefined ? -1 : (await readToEnd(pipe)).length;
    const [{ received = -1 } = {}] = tool.all("closed");
    const messages = tool.all("error").map(({ message }) => message);
    expect(messages.join("\n")).toContain(
      `; ${String(received - written)} bytes received were not written`,
    );
    // A pipe holds 64 KiB, of which the last page may be free in part.
    expect(written).toBeGreaterThan(60_000);
  },
);

test("what was received is still written after a signal, to a stdout that is only slow", async () => {
  const { bytes } = content(40_000);
  const pipe = systemPipe();
  const tool = new Tool(listen, { stdout: pipe.writer });
  pipe.handedOver();
  const client = await connectPeer(at(await tool.port()));
  client.socket.write(bytes);
  // The first bytes show that all have come: they fit into the pipe.
  await new Promise((resolve) => pipe.reader.once("readable", resolve));
  await silence(200);
  tool.child.kill("SIGTERM");
  const chunks: Buffer[] = [];
  pipe.reader.on("data", (chunk: Buffer) => chunks.push(chunk));
  expect(await endsSoon(tool)).toMatchObject({ code: 143 });
  if (!pipe.reader.readableEnded) await new Promise((resolve) => pipe.reader.once("end", resolve));
  expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
  expect(tool.all("closed")).toMatchObject([{ received: bytes.length, reason: "SIGTERM" }]);
});

test.skipIf(!networkCanBeSilent)(
  "--connect-timeout is kept while a name server does not answer, code 5",
  async () => {
    // Node 20 cannot leave before the resolver does; it still says the same.
    const resolverGivesUp = "execve" in process ? 25 : 3;
    const args = ["tcp", "connect", "-w", "500ms", "nobody.example", "80"];
    const tool = portcatWithSilentResolver(resolverGivesUp, args);
    const ended = await endsSoon(tool, 15_000);
    expect(ended.code).toBe(5);
    expect(ended.stderr).toBe(
      "portcat: cannot resolve nobody.example: no answer within 0.5 s (ETIMEDOUT)\n",
    );
  },
);

test.skipIf(!networkCanBeSilent)(
  "--timeout is kept while a name server does not answer, code 5",
  async () => {
    const resolverGivesUp = "execve" in process ? 25 : 3;
    const args = ["udp", "send", "--timeout", "500ms", "nobody.example", "53", "message"];
    const tool = portcatWithSilentResolver(resolverGivesUp, args);
    const ended = await endsSoon(tool, 15_000);
    expect(ended.code).toBe(5);
    expect(ended.stderr).toBe("portcat: not done within 0.5 s of --timeout (ETIMEDOUT)\n");
  },
);

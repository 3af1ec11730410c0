import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { sha256 } from "../helpers/content.ts";
import { turns } from "../helpers/memory.ts";
import { systemPipe } from "../helpers/pipe.ts";
import { connectPeer } from "../helpers/sockets.ts";
import { Tool } from "../helpers/tool.ts";

/** Around what one and two of the read buffers hold, and far above. */
const sizes = [1, 639, 640, 641, 1279, 1280, 1281, 4096, 65_536, 1_000_000];
const rising = sizes.flatMap((size) => [size, size, size]);

/** The orders in which clients send them. */
const orders: [name: string, sizes: number[]][] = [
  ["rising, three of each", rising],
  ["falling, three of each", rising.toReversed()],
  ["small and large in turn", sizes.flatMap((size, index) => [size, sizes.at(-1 - index) ?? 0])],
  ["all of them, three times", [...sizes, ...sizes, ...sizes]],
];

/** A listener with --keep-open, and what it has written to stdout. */
async function serve() {
  const pipe = systemPipe();
  const tool = new Tool(["tcp", "listen", "127.0.0.1", "0", "-k"], {
    stdin: "null",
    stdout: pipe.writer,
  });
  pipe.handedOver();
  const parts: Buffer[] = [];
  let count = 0;
  pipe.reader.on("data", (part: Buffer) => {
    parts.push(part);
    count += part.length;
  });
  pipe.reader.resume();
  const arrived = async (wanted: number) => {
    while (count < wanted) await once(pipe.reader, "data");
  };
  const output = () => Buffer.concat(parts);
  return { tool, arrived, output, at: { host: "127.0.0.1", port: await tool.port() } };
}

describe("messages of every size around those of the read buffers arrive whole", () => {
  test("from one client at a time, each message after the one before has come out", async () => {
    const { tool, arrived, output, at } = await serve();
    let before = 0;
    for (const [index, [name, order]] of orders.entries()) {
      const messages = order.map((size) => randomBytes(size));
      const { socket } = await connectPeer(at);
      let sent = before;
      for (const message of messages) {
        socket.write(message);
        sent += message.length;
        await arrived(sent);
      }
      socket.end();
      const closed = await tool.event("closed", index + 1);
      expect([name, closed.received, closed.reason]).toEqual([name, sent - before, "end"]);
      const came = output().subarray(before);
      expect([name, came.length]).toEqual([name, sent - before]);
      expect([name, sha256(came)]).toEqual([name, sha256(Buffer.concat(messages))]);
      before = sent;
    }
  });

  test("from several clients in parallel, in the order of each", async () => {
    const { tool, arrived, output, at } = await serve();
    // The bytes of each client tell whose they are, by their two highest bits.
    const contents = orders.map(([, order], client) =>
      order.map((size) => randomBytes(size).map((byte) => (client << 6) | (byte & 0x3f))),
    );
    await Promise.all(
      contents.map(async (messages) => {
        const { socket } = await connectPeer(at);
        for (const message of messages) {
          await new Promise((resolve) => socket.write(message, resolve));
          await turns(1);
        }
        socket.end();
      }),
    );
    await tool.event("closed", contents.length);
    const wanted = contents.map((messages) => Buffer.concat(messages));
    const total = wanted.reduce((sum, { length }) => sum + length, 0);
    await arrived(total);
    const all = output();
    expect(all.length).toBe(total);
    const cameFrom = (client: number) => all.filter((byte) => byte >> 6 === client);
    expect(wanted.map((_, client) => sha256(Buffer.from(cameFrom(client))))).toEqual(
      wanted.map(sha256),
    );
    expect(tool.all("closed").map(({ reason }) => reason)).toEqual(wanted.map(() => "end"));
  });
});

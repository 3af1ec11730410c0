import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { unacknowledged } from "../../src/endpoints/socket-tables.ts";
import { silence } from "../helpers/content.ts";
import { descriptorOf } from "../helpers/descriptors.ts";

test.skipIf(process.platform !== "linux")(
  "what the system holds is told of one connection, not of another one between the same ports",
  async () => {
    const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const accepted: Socket[] = [];
    let localPort = 0;
    for (const localAddress of ["127.0.0.1", "127.0.0.2", "127.0.0.3"]) {
      const accepting = once(server, "connection") as Promise<[Socket]>;
      const client = connect({ host: "127.0.0.1", port, localAddress, localPort }).pause();
      const [socket] = await accepting;
      await once(client, "connect");
      localPort = client.localPort ?? 0;
      accepted.push(socket);
      onTestFinished(() => void [client, socket].map((each) => each.destroy()));
    }
    onTestFinished(() => void server.close());
    accepted[1]?.write(Buffer.alloc(32 << 20));
    // Until the client's buffer is full, and older than the last look at the table.
    await silence(300);
    const held = accepted.map((socket) => unacknowledged(descriptorOf(socket)));
    expect(held).toEqual([0, expect.toSatisfy((bytes) => Number(bytes) > 0), 0]);
  },
);

import { expect, test } from "vitest";
import { connectPeer, startServer } from "../helpers/sockets.ts";
import { Tool } from "../helpers/tool.ts";

// Some versions of Node tell a reset that comes right behind data as an end. It is not always: each
// of these runs has its own chance to go wrong.
const runs = Array.from({ length: 6 }, (_, run) => ({ turns: run % 3 }));

test.each(runs)(
  "a peer that resets in the middle of its data is not taken for one that ended (after $turns turns)",
  async ({ turns }) => {
    const tool = new Tool(["tcp", "listen", "127.0.0.1", "0"], { stdin: "null" });
    const peer = await connectPeer({ port: await tool.port(), host: "127.0.0.1" });
    peer.socket.write(Buffer.alloc(400_000));
    for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
    peer.socket.resetAndDestroy();
    const { code, stdout } = await tool.ended;
    expect(code).toBe(8);
    expect(tool.all("closed")).toMatchObject([{ reason: "ECONNRESET", received: stdout.length }]);
    expect(tool.all("error")).toMatchObject([{ code: "ECONNRESET", exitCode: 8 }]);
  },
);

test("lines that wait for their turn do not hold up the end once the peer has reset", async () => {
  const { port, client } = await startServer();
  const tool = new Tool(["tcp", "connect", "127.0.0.1", String(port), "--line-delay", "10s"]);
  tool.stdin.end("1\n2\n3\n4\n5\n6\n7\n8\n9\n");
  const peer = await client();
  await new Promise((resolve) => peer.socket.once("data", resolve));
  peer.socket.resetAndDestroy();
  await tool.event("error");
  const late = new Promise((resolve) => setTimeout(resolve, 5000, "still running").unref());
  expect(await Promise.race([tool.ended, late])).toMatchObject({ code: 8 });
});

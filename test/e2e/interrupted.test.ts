import { describe, expect, test } from "vitest";
import { content, fileWith, mebibyte } from "../helpers/content.ts";
import { hasTerminals, onTerminal } from "../helpers/pseudo-terminal.ts";
import { startServer } from "../helpers/sockets.ts";
import { Tool } from "../helpers/tool.ts";

describe.skipIf(process.platform === "win32")(
  "a run that is interrupted while its peer is slow",
  () => {
    test.each([1, 5, 20])(
      "tells exactly how much of a file was sent: after %i MiB",
      async (size) => {
        const server = await startServer();
        const { bytes } = content(64 * mebibyte);
        const tool = new Tool(["tcp", "connect", "127.0.0.1", String(server.port)], {
          stdin: fileWith(bytes),
        });
        const peer = await server.client();
        await tool.event("connected");
        while (peer.received().length < size * mebibyte)
          await new Promise((resolve) => peer.socket.once("data", resolve));
        peer.socket.pause();
        tool.child.kill("SIGTERM");
        await tool.ended;
        peer.socket.resume();
        await peer.ended;
        const [closed] = tool.all("closed");
        expect(closed?.sent).toBe(peer.received().length);
        expect(tool.all("error")[0]?.message).toContain(`${String(closed?.sent)} sent`);
        expect(peer.received().equals(bytes.subarray(0, closed?.sent))).toBe(true);
      },
    );
  },
);

test.skipIf(!hasTerminals)(
  "a terminal that takes nothing, as after ^S, does not keep a run from ending in time",
  async () => {
    const server = await startServer();
    const place = ["127.0.0.1", String(server.port)];
    const shown = onTerminal(["tcp", "connect", ...place, "--raw", "--timeout", "1s"]);
    shown.output.pause();
    const peer = await server.client();
    peer.socket.write(Buffer.alloc(8 * mebibyte, "x"));
    await peer.closed;
  },
);

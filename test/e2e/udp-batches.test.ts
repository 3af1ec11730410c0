import { describe, expect, test } from "vitest";
import { mebibyte, newFile, silence } from "../helpers/content.ts";
import { udpPeer } from "../helpers/datagrams.ts";
import { readToEnd, systemPipe } from "../helpers/pipe.ts";
import { holdUp, memoryOf, udpRead, watchMemory } from "../helpers/processes.ts";
import { portcat, type Running } from "../helpers/tool.ts";

// Where nobody watches single datagrams (no --json, no terminal), as many as have arrived are read
// and written together.

/** Numbered datagrams, among them empty ones and the longest that there is. */
const mixed = Array.from({ length: 50 }, (_, index) => {
  if (index % 10 === 3) return Buffer.alloc(0);
  const name = `datagram ${String(index)};`;
  return Buffer.from(index === 20 ? name.padEnd(65_507, "0123456789abcdef") : name);
});

/** Datagrams of this length that begin with their number. */
const numbered = (count: number, length: number) =>
  Array.from({ length: count }, (_, index) => Buffer.from(`${String(index)}:`.padEnd(length, ".")));

/** Starts `udp bind`, which reads no stdin, and tells its port. */
async function bind(args: string[], stdout: number): Promise<{ tool: Running; port: number }> {
  const tool = portcat(["udp", "bind", "127.0.0.1", "0", ...args], { stdin: "null", stdout });
  const [, port] = await tool.says(/listening on 127\.0\.0\.1:(\d+)/);
  return { tool, port: Number(port) };
}

/** Sends datagrams in their order, at the pace of whoever reads them. */
async function sendAll(port: number, datagrams: readonly Buffer[]): Promise<void> {
  const peer = await udpPeer();
  for (const [index, datagram] of datagrams.entries()) {
    await peer.send(datagram, port);
    if (index % 2 === 1) await udpRead(port);
  }
  await udpRead(port);
}

/** What the closed line counts. */
function counted({ stderr }: Running): { datagrams: number; bytes: number } {
  const line = /closed: .*: received (\d+) datagrams? \((\d+) bytes?\), sent 0 /.exec(stderr);
  return { datagrams: Number(line?.[1]), bytes: Number(line?.[2]) };
}

describe.skipIf(process.platform !== "linux")("udp bind that nobody watches", () => {
  test.each(["a pipe that is not read at first", "a file"])(
    "writes every datagram to %s, in order: empty ones, and the longest",
    async (kind) => {
      const [pipe, file] = kind === "a file" ? [undefined, newFile()] : [systemPipe(), undefined];
      const stdout = pipe?.writer ?? file?.descriptor ?? -1;
      const { tool, port } = await bind(["--count", String(mixed.length)], stdout);
      pipe?.handedOver();
      await sendAll(port, mixed);
      const output = pipe && (await readToEnd(pipe));
      expect((await tool.ended).code).toBe(0);
      const expected = Buffer.concat(mixed);
      expect((output ?? file?.contents())?.equals(expected)).toBe(true);
      expect(counted(tool)).toEqual({ datagrams: mixed.length, bytes: expected.length });
      expect(tool.stderr).not.toContain("dropped");
    },
  );

  test("takes a burst that waits in the system in order, none merged away and none lost", async () => {
    const file = newFile();
    const { tool, port } = await bind(["--count", "50"], file.descriptor);
    const goOn = await holdUp(tool);
    const peer = await udpPeer();
    for (const datagram of mixed) await peer.send(datagram, port);
    goOn();
    expect((await tool.ended).code).toBe(0);
    expect(file.contents().equals(Buffer.concat(mixed))).toBe(true);
    expect(counted(tool).datagrams).toBe(50);
  });

  test("takes the first 10 of 50 that wait with --count 10, and no byte of the others", async () => {
    const file = newFile();
    const { tool, port } = await bind(["--count", "10"], file.descriptor);
    const goOn = await holdUp(tool);
    const peer = await udpPeer();
    for (const datagram of mixed) await peer.send(datagram, port);
    goOn();
    expect((await tool.ended).code).toBe(0);
    const expected = Buffer.concat(mixed.slice(0, 10));
    expect(file.contents().toString()).toBe(expected.toString());
    expect(counted(tool)).toEqual({ datagrams: 10, bytes: expected.length });
  });

  test("ended by SIGTERM while stdout is stuck, it writes all that it counts to a reader that reads then", async () => {
    const pipe = systemPipe();
    const { tool, port } = await bind([], pipe.writer);
    pipe.handedOver();
    const sent = numbered(60, 8000);
    await sendAll(port, sent);
    tool.child.kill("SIGTERM");
    const output = await readToEnd(pipe);
    expect((await tool.ended).code).toBe(143);
    const expected = Buffer.concat(sent);
    expect(counted(tool)).toEqual({ datagrams: 60, bytes: expected.length });
    expect(output.equals(expected)).toBe(true);
    expect(tool.stderr).not.toContain("not written");
  });

  test("ended by SIGTERM while stdout is stuck and stays so, it says how many bytes were not written", async () => {
    const pipe = systemPipe();
    const { tool, port } = await bind([], pipe.writer);
    pipe.handedOver();
    const sent = Buffer.concat(numbered(60, 8000));
    await sendAll(port, numbered(60, 8000));
    tool.child.kill("SIGTERM");
    expect((await tool.ended).code).toBe(143);
    const output = await readToEnd(pipe);
    expect(output.length).toBeLessThan(sent.length);
    expect(output.equals(sent.subarray(0, output.length))).toBe(true);
    expect(counted(tool)).toEqual({ datagrams: 60, bytes: sent.length });
    expect(tool.stderr).toContain(
      `; ${String(sent.length - output.length)} bytes received were not written, stdout did not take them`,
    );
  });

  test(
    "under a flood that a stuck stdout does not take, memory is bounded, and every datagram is counted as received or as dropped",
    { timeout: 60_000 },
    async () => {
      const pipe = systemPipe();
      const { tool, port } = await bind([], pipe.writer);
      pipe.handedOver();
      const idle = memoryOf(tool, "VmRSS");
      const most = watchMemory(tool);
      const flood = numbered(4000, 60_000);
      await sendAll(port, flood);
      const occupied = most() - idle;
      tool.child.kill("SIGTERM");
      expect((await tool.ended).code).toBe(143);
      const [, dropped] =
        /(\d+) datagrams were dropped: stdout was too slow/.exec(tool.stderr) ?? [];
      const { datagrams, bytes } = counted(tool);
      // The sender waits for the system: it drops nothing.
      expect(tool.stderr).not.toContain("the system dropped");
      expect(datagrams + Number(dropped)).toBe(flood.length);
      expect(bytes).toBe(datagrams * 60_000);
      // 16 MiB may wait.
      expect(bytes).toBeGreaterThan(8 * mebibyte);
      expect(bytes).toBeLessThanOrEqual(17 * mebibyte);
      expect(idle).toBeGreaterThan(0);
      // Beside them, what Node has of the dropped ones until it is collected: not the 229 MiB of all.
      expect(occupied).toBeLessThan(128 * mebibyte);
      const output = await readToEnd(pipe);
      const first = Buffer.concat(flood.slice(0, 20));
      expect(output.equals(first.subarray(0, output.length))).toBe(true);
    },
  );

  test.each([
    ["nobody watches", []],
    ["each is told", ["-v"]],
  ])("is not idle while datagrams come, though stdout is stuck, where %s", async (_, flags) => {
    const pipe = systemPipe();
    const { tool, port } = await bind(["-i", "1s", ...flags], pipe.writer);
    pipe.handedOver();
    const peer = await udpPeer();
    // What the pipe holds, and then for longer than it may be idle.
    for (let n = 0; n < 30; n++) {
      await peer.send(Buffer.alloc(n < 3 ? 60_000 : 100, "x"), port);
      await silence(80);
    }
    expect(tool.child.exitCode).toBe(null);
    expect((await tool.ended).code).toBe(5);
    expect(counted(tool).datagrams).toBe(30);
    await readToEnd(pipe);
  });

  test("counts what the system dropped of its socket, and not of another on the same port", async () => {
    const { tool, port } = await bind(["--receive-buffer", "8k"], newFile().descriptor);
    const place = ["127.0.0.2", String(port)];
    const other = portcat(["udp", "bind", ...place, "--count", "1"], { stdin: "null" });
    await other.says(/listening/);
    const goOn = await holdUp(tool);
    const peer = await udpPeer();
    for (const datagram of numbered(500, 1000)) await peer.send(datagram, port);
    await peer.send("one", port, "127.0.0.2");
    expect((await other.ended).code).toBe(0);
    expect(other.stderr).not.toContain("dropped");
    goOn();
    await udpRead(port);
    tool.child.kill("SIGTERM");
    await tool.ended;
    const [, dropped] = /the system dropped (\d+) datagrams/.exec(tool.stderr) ?? [];
    expect(counted(tool).datagrams).toBeGreaterThan(0);
    expect(counted(tool).datagrams + Number(dropped)).toBe(500);
  });
});

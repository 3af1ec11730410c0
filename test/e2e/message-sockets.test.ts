import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { startServer } from "../helpers/sockets.ts";
import { bin, Running } from "../helpers/tool.ts";

const hasPython = process.platform === "linux" && spawnSync("python3", ["--version"]).status === 0;

/** Runs a command with one end of a pair of sockets as one of its descriptors; stdout is what the other end gets. */
const withSocketPair = `
import os, socket, sys
kind, descriptor, command = getattr(socket, sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
child = os.fork()
if child == 0:
    ours.close()
    os.dup2(theirs.fileno(), descriptor)
    os.execv(command[0], command)
theirs.close()
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
ours.setblocking(False)
try:
    while message := ours.recv(1 << 20):
        sys.stdout.buffer.write(message)
except OSError:
    pass
sys.exit(status)
`;

async function run(kind: string, descriptor: number, payload: Buffer) {
  const { port, client } = await startServer();
  const command = [process.execPath, bin, "tcp", "connect", "127.0.0.1", String(port)];
  const args = ["-c", withSocketPair, kind, String(descriptor), ...command];
  const tool = new Running("python3", args, { stdin: "null" });
  (await client()).socket.end(payload);
  return tool.ended;
}

// Node has streams for them that write nothing and are empty.
describe.skipIf(!hasPython).each(["SOCK_SEQPACKET", "SOCK_DGRAM"])("a socket of %s", (kind) => {
  test("as stdout gets every byte", async () => {
    const payload = Buffer.alloc(100_000, "0123456789");
    const { code, stdout } = await run(kind, 1, payload);
    expect(code).toBe(0);
    expect(stdout.equals(payload)).toBe(true);
  });

  test("as stderr gets every line", async () => {
    const { code, stdout } = await run(kind, 2, Buffer.alloc(0));
    expect(code).toBe(0);
    expect(stdout.toString()).toMatch(/^portcat: connected: .*\nportcat: closed: .*\n$/);
  });

  test("as stdin is refused in words, with code 1", async () => {
    const { code, stderr } = await run(kind, 0, Buffer.alloc(0));
    expect(code).toBe(1);
    expect(stderr).toMatch(/cannot read stdin: it is a socket that has messages/);
    expect(stderr).not.toContain("internal error");
  });
});

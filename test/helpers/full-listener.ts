import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type NetConnectOpts } from "node:net";
import { onTestFinished } from "vitest";

/** Listens with the shortest backlog, and then blocks: it never accepts. */
const program = `
const server = require("node:net").createServer();
server.listen({ ...JSON.parse(process.argv[1]), backlog: 1 }, () => {
  require("node:fs").writeSync(1, JSON.stringify(server.address()) + "\\n");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});`;

/**
 * A TCP port of 127.0.0.1 that does not answer: Linux drops a SYN that finds the backlog full.
 * With a path, a UNIX socket whose backlog is full.
 */
export async function fullListener(path?: string): Promise<number> {
  const place = path === undefined ? { host: "127.0.0.1", port: 0 } : { path };
  const child = spawn(process.execPath, ["-e", program, JSON.stringify(place)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const address = JSON.parse(line.toString()) as { port: number } | string;
  const at = typeof address === "string" ? { path: address } : { ...place, port: address.port };
  // Linux takes one more than the backlog.
  for (let nth = 0; nth < 2; nth++) {
    const client = connect(at as NetConnectOpts);
    onTestFinished(() => void client.destroy());
    await once(client, "connect");
  }
  return typeof address === "string" ? 0 : address.port;
}

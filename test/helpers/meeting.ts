import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { connect, type ConnectionOptions, createServer, type TLSSocket } from "node:tls";
import { onTestFinished } from "vitest";
import { issue } from "./certificates.ts";
import { connectPeer, type Peer, peerOn, startServer } from "./sockets.ts";
import { type StartOptions, temporaryFolder, Tool } from "./tool.ts";

/** How portcat and a peer of the test's own come together. */
export interface Way {
  readonly transport: "tcp" | "unix";
  readonly role: "listen" | "connect";
  readonly security: "" | " --tls";
}

const secureWays: readonly Way[] = [
  { transport: "tcp", role: "listen", security: " --tls" },
  { transport: "tcp", role: "connect", security: " --tls" },
];

/** With TLS the plain path is another for reading alone, which is the same in both roles. */
export const ways: readonly Way[] = [
  { transport: "tcp", role: "listen", security: "" },
  { transport: "tcp", role: "connect", security: "" },
  { transport: "unix", role: "listen", security: "" },
  { transport: "unix", role: "connect", security: "" },
  ...(process.env["PORTCAT_PLAIN"] === "1" ? secureWays.slice(0, 1) : secureWays),
];

/** The events of a conversation that went well. */
export function eventNames({ role }: Way): string[] {
  return [...(role === "listen" ? ["listening"] : []), "connected", "closed"];
}

/** Starts portcat and connects it with a peer; both know of each other when this resolves. */
export async function meet(
  way: Way,
  args: readonly string[] = [],
  options: StartOptions = {},
): Promise<{ tool: Tool; peer: Peer }> {
  const { transport, role, security } = way;
  if (security !== "") return meetSecurely(way, args, options);
  const path = transport === "unix" ? join(temporaryFolder(), "socket") : undefined;
  if (role === "connect") {
    const server = await startServer(path);
    const place = path ?? `127.0.0.1:${String(server.port)}`;
    const tool = new Tool([transport, role, place, ...args], options);
    const peer = await server.client();
    await tool.event("connected");
    return { tool, peer };
  }
  const tool = new Tool([transport, role, path ?? "127.0.0.1:0", ...args], options);
  const listening = await tool.event("listening");
  const peer = await connectPeer(
    listening.transport === "unix"
      ? { path: listening.path }
      : { host: listening.address, port: listening.port },
  );
  await tool.event("connected");
  return { tool, peer };
}

async function meetSecurely(
  { transport, role }: Way,
  args: readonly string[],
  options: StartOptions,
): Promise<{ tool: Tool; peer: Peer }> {
  const { cert, key, certFile, keyFile, pin } = await issue();
  if (role === "connect") {
    const server = createServer({ allowHalfOpen: true, cert, key }).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const accepting = once(server, "secureConnection") as Promise<[TLSSocket]>;
    const place = `127.0.0.1:${String(port)}`;
    const tool = new Tool([transport, role, place, "--tls", "--pin", pin, ...args], options);
    const [socket] = await accepting;
    const peer = peerOn(socket);
    await tool.event("connected");
    return { tool, peer };
  }
  const own = ["--tls", "--cert", certFile, "--key", keyFile];
  const tool = new Tool([transport, role, "127.0.0.1:0", ...own, ...args], options);
  const port = await tool.port();
  const to: ConnectionOptions & { allowHalfOpen: boolean } = {
    ...{ port, host: "127.0.0.1", ca: cert },
    allowHalfOpen: true,
  };
  const socket = connect(to);
  const peer = peerOn(socket);
  await once(socket, "secureConnect");
  await tool.event("connected");
  return { tool, peer };
}

/** Waits until the peer has received so many bytes. */
export async function peerHas(peer: Peer, bytes: number): Promise<void> {
  while (peer.received().length < bytes) await once(peer.socket, "data");
}

/** Whether our end has reached the peer yet. */
export function watchEnd(peer: Peer): { seen: boolean } {
  const watch = { seen: false };
  void peer.ended.then(() => (watch.seen = true));
  return watch;
}

import { once } from "node:events";
import { join } from "node:path";
import { connectPeer, type Peer, startServer } from "./sockets.ts";
import { type StartOptions, temporaryFolder, Tool } from "./tool.ts";

/** How portcat and a peer of the test's own come together. */
export interface Way {
  readonly transport: "tcp" | "unix";
  readonly role: "listen" | "connect";
}

export const ways: readonly Way[] = [
  { transport: "tcp", role: "listen" },
  { transport: "tcp", role: "connect" },
  { transport: "unix", role: "listen" },
  { transport: "unix", role: "connect" },
];

/** The events of a conversation that went well. */
export function eventNames({ role }: Way): string[] {
  return [...(role === "listen" ? ["listening"] : []), "connected", "closed"];
}

/** Starts portcat and connects it with a peer; both know of each other when this resolves. */
export async function meet(
  { transport, role }: Way,
  args: readonly string[] = [],
  options: StartOptions = {},
): Promise<{ tool: Tool; peer: Peer }> {
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

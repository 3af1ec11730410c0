import { once } from "node:events";
import { createServer, type ListenOptions, type Server, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { type Peer, connectPeer } from "./sockets.ts";

/** The descriptor of an open socket of this process, to hand over to a child. */
export function descriptorOf(socket: Server | Socket): number {
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
  if (!(fd >= 0)) throw new Error("the socket has no descriptor");
  return fd;
}

/** A socket that listens in this process, which never accepts if it is closed before a client comes. */
export async function listeningSocket(options: ListenOptions): Promise<Server> {
  const server = createServer({ pauseOnConnect: true }).listen(options);
  onTestFinished(() => void server.close());
  await once(server, "listening");
  return server;
}

/** The accepted, unread end of a connection, and the peer at the other. */
export async function connectedSocket(
  options: ListenOptions,
): Promise<{ accepted: Socket; peer: Peer }> {
  const server = await listeningSocket(options);
  const accepting = once(server, "connection") as Promise<[Socket]>;
  const address = server.address();
  const peer = await connectPeer(
    typeof address === "string"
      ? { path: address }
      : { port: address?.port ?? 0, host: "127.0.0.1" },
  );
  const [accepted] = await accepting;
  onTestFinished(() => void accepted.destroy());
  return { accepted, peer };
}

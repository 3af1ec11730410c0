import { once } from "node:events";
import {
  type AddressInfo,
  connect,
  createServer,
  type NetConnectOpts,
  type Server,
  type Socket,
} from "node:net";
import { onTestFinished } from "vitest";

/** A peer of the test's own, with what it received and whether it has seen our end. */
export interface Peer {
  readonly socket: Socket;
  received(): Buffer;
  /** Resolves when our end (FIN) has arrived, or the connection is gone. */
  readonly ended: Promise<void>;
  /** Resolves when the connection is over, with the error that ended it, if one did. */
  readonly closed: Promise<NodeJS.ErrnoException | undefined>;
}

export function peerOn(socket: Socket): Peer {
  const chunks: Buffer[] = [];
  let failure: NodeJS.ErrnoException | undefined;
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", (error) => (failure = error));
  onTestFinished(() => void socket.destroy());
  return {
    socket,
    received: () => Buffer.concat(chunks),
    ended: new Promise((resolve) => {
      socket.on("end", resolve);
      socket.on("close", () => resolve());
    }),
    closed: new Promise((resolve) => socket.on("close", () => resolve(failure))),
  };
}

export async function connectPeer(options: NetConnectOpts): Promise<Peer> {
  const socket = connect({ ...options, allowHalfOpen: true } as NetConnectOpts);
  const peer = peerOn(socket);
  await once(socket, "connect");
  return peer;
}

/** A port that was free a moment ago: nobody listens there, and a program that cannot choose one may. */
export async function freePort(address = "127.0.0.1"): Promise<number> {
  const server = createServer().listen(0, address);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A server on a port (or path) of the system's choice, and the clients it gets. */
export async function startServer(
  path?: string,
): Promise<{ server: Server; port: number; client: () => Promise<Peer> }> {
  const clients: Peer[] = [];
  let woken: () => void = () => undefined;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    clients.push(peerOn(socket));
    woken();
  });
  onTestFinished(() => void server.close());
  if (path === undefined) server.listen(0, "127.0.0.1");
  else server.listen(path);
  await once(server, "listening");
  const address = server.address();
  let taken = 0;
  return {
    server,
    port: typeof address === "object" && address !== null ? address.port : 0,
    client: async () => {
      while (clients.length <= taken) await new Promise<void>((resolve) => (woken = resolve));
      return clients[taken++] as Peer;
    },
  };
}

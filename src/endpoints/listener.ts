import { createServer, type ListenOptions, type Server, type Socket } from "node:net";
import { causeInWords, codeOf } from "../errors.ts";
import type { Bound, Emit, Ends } from "../events.ts";
import { cannotBind, type Unbound } from "./cannot-bind.ts";
import { type Connection, connectionOf, plainAddress, type SecureAccepted } from "./connection.ts";
import { ReadBuffers } from "./read-buffers.ts";
import { adopt, SocketReads } from "./socket-reads.ts";
import { setSocketOptions, type SocketOptions } from "./socket-options.ts";

/** Something that gives connections until it is closed. */
export interface Listener {
  readonly bound: Bound;
  /** Stops listening; connections that are there live on. */
  close(): void;
}

/** Takes each connection as it arrives; it may close the listener to get no other. */
export type OnConnection = (connection: Connection) => void;

/**
 * Listens on a TCP or UNIX socket.
 *
 * @param place - what is listened on, for messages and error events
 * @param endsOf - the names of the two ends of an accepted socket
 * @throws PortcatError when it cannot be bound (exit code 7)
 */
export function listen(
  place: Omit<Unbound, "doing"> & { name: string },
  options: ListenOptions | { fd: number; backlog?: number },
  sockets: SocketOptions,
  endsOf: (accepted: Socket) => Ends,
  onConnection: OnConnection,
  emit: Emit,
  secure?: SecureAccepted,
): Promise<Server> {
  const buffers = new ReadBuffers();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (accepted) => {
    const ends = endsOf(accepted);
    if (secure !== undefined) {
      setSocketOptions(accepted, sockets, emit);
      return onConnection(secure(accepted, ends));
    }
    const reads = new SocketReads(buffers, "frugal");
    const socket = adopt(accepted, reads);
    setSocketOptions(socket, sockets, emit);
    onConnection(connectionOf(socket, ends, reads));
  });
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      const notOurs = codeOf(error) === "EINVAL" && "fd" in options;
      const why = notOurs
        ? "it is not a socket that can listen (a connected one goes to `connect`)"
        : undefined;
      reject(cannotBind({ ...place, doing: `cannot listen on ${place.name}` }, error, why));
    });
    server.once("listening", () => {
      server.removeAllListeners("error");
      // Out of descriptors, for example: this client is lost, the next may find room again.
      server.on("error", (error) =>
        emit({ event: "warning", message: `cannot accept a connection: ${causeInWords(error)}` }),
      );
      resolve(server);
    });
    server.listen(options);
  });
}

/** What a server is bound to, as the system reports it. */
export function boundOf(server: Server): Bound {
  const at = server.address();
  if (at === null || typeof at === "string") return { transport: "unix", path: at ?? "" };
  return {
    transport: "tcp",
    address: plainAddress(at.address),
    port: at.port,
    family: at.family === "IPv6" ? "IPv6" : "IPv4",
  };
}

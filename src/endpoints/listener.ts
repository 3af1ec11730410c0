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

/**
 * Takes each socket as it is accepted, paused, with the names of its two ends; it may close the
 * listener to get no other.
 */
export type OnAccepted = (accepted: Socket, ends: Ends) => void;

/** Makes a connection of each socket that is accepted, with TLS where that is to be spoken. */
export function asConnections(
  onConnection: (connection: Connection) => void,
  secure?: SecureAccepted,
): OnAccepted {
  if (secure !== undefined) return (accepted, ends) => onConnection(secure(accepted, ends));
  const buffers = new ReadBuffers();
  return (accepted, ends) => {
    const reads = new SocketReads(buffers, "frugal");
    onConnection(connectionOf(adopt(accepted, reads), ends, reads));
  };
}

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
  onAccepted: OnAccepted,
  emit: Emit,
): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (accepted) => {
    setSocketOptions(accepted, sockets, emit);
    onAccepted(accepted, endsOf(accepted));
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

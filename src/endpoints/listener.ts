import { createServer, type ListenOptions, type Server, type Socket } from "node:net";
import { causeInWords, codeOf, ExitCode, systemError } from "../errors.ts";
import type { Bound, Emit, Ends } from "../events.ts";
import { type Connection, connectionOf, plainAddress } from "./connection.ts";
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
 * @param place - for messages: what is listened on
 * @param endsOf - the names of the two ends of an accepted socket
 * @throws PortcatError when it cannot be bound (exit code 7)
 */
export function listen(
  place: string,
  options: ListenOptions | { fd: number; backlog?: number },
  sockets: SocketOptions,
  endsOf: (accepted: Socket) => Ends,
  onConnection: OnConnection,
  emit: Emit,
): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (accepted) => {
    const ends = endsOf(accepted);
    const reads = new SocketReads();
    const adopted = adopt(accepted, reads);
    const socket = adopted ?? accepted;
    setSocketOptions(socket, sockets, emit);
    onConnection(connectionOf(socket, ends, adopted && reads));
  });
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(cannotListen(place, options, error)));
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

function cannotListen(
  place: string,
  options: { port?: number | undefined; fd?: number },
  error: Error,
): Error {
  const code = codeOf(error);
  const { port } = options;
  const hint =
    code === "EADDRINUSE" && port !== undefined
      ? `; ${whoHas(port)} shows who has it`
      : code === "EACCES" && port !== undefined && port < 1024
        ? "; ports below 1024 are for root, or for a program with CAP_NET_BIND_SERVICE"
        : "";
  const what =
    code === "EINVAL" && options.fd !== undefined
      ? "it is not a socket that can listen (a connected one goes to `connect`)"
      : causeInWords(error);
  return systemError("", error, {
    message: `cannot listen on ${place}: ${what}${hint}`,
    exitCode: ["EMFILE", "ENFILE"].includes(code) ? ExitCode.failure : ExitCode.cannotBind,
    address: place,
    port,
  });
}

/** The command that tells which process has a port, on this system. */
function whoHas(port: number): string {
  if (process.platform === "linux") return `\`ss -ltnp 'sport = :${String(port)}'\``;
  if (process.platform === "win32") return `\`netstat -ano | findstr :${String(port)}\``;
  return `\`lsof -nP -iTCP:${String(port)} -sTCP:LISTEN\``;
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

import { fstatSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { codeOf, ExitCode, PortcatError, usageError } from "../errors.ts";
import type { Emit, Ends } from "../events.ts";
import { type Connection, connectionOf, type Secure, tcpEnds } from "./connection.ts";
import { linkConnection } from "./behind-handshake.ts";
import { boundOf, listen, type Listener, type OnAccepted } from "./listener.ts";
import { SocketReads } from "./socket-reads.ts";
import { setSocketOptions, type SocketOptions } from "./socket-options.ts";

/** @throws PortcatError (exit code 2) when the descriptor is not an open socket */
export function checkDescriptor(fd: number): void {
  let isSocket: boolean;
  try {
    isSocket = fstatSync(fd).isSocket();
  } catch (error) {
    throw usageError(`--fd ${String(fd)}: no such descriptor was handed to us (${codeOf(error)})`);
  }
  if (!isSocket) throw usageError(`--fd ${String(fd)}: the descriptor is not a socket (ENOTSOCK)`);
}

const inWords = (fd: number) => `descriptor ${String(fd)}`;

function endsOf(socket: Socket, fd: number): Ends {
  return socket.remoteAddress === undefined
    ? { transport: "unix", path: inWords(fd) }
    : tcpEnds(socket);
}

/**
 * Listens on an inherited socket that is bound or listening already (sd_listen_fds(3)).
 *
 * @throws PortcatError when it is not such a socket (exit code 7)
 */
export async function listenOnDescriptor(
  fd: number,
  backlog: number,
  sockets: SocketOptions,
  onAccepted: OnAccepted,
  emit: Emit,
): Promise<Listener> {
  const ends = (accepted: Socket) => endsOf(accepted, fd);
  const place = { name: inWords(fd), transport: "unix", address: inWords(fd) } as const;
  const server = await listen(place, { fd, backlog }, sockets, ends, onAccepted, emit);
  const bound = boundOf(server);
  // Node tells no name of a socket in the abstract namespace.
  const unnamed = bound.transport === "unix" && bound.path === "";
  return {
    bound: unnamed ? { transport: "unix", path: inWords(fd) } : bound,
    close: () => server.close(),
  };
}

/**
 * Talks through an inherited connected socket.
 *
 * @throws PortcatError when it is not connected (exit code 7)
 */
export function connectionOnDescriptor(
  fd: number,
  sockets: SocketOptions,
  { signal, emit }: { signal: AbortSignal; emit: Emit },
  secure?: Secure,
): Connection | Promise<Connection> {
  const reads = new SocketReads();
  let socket: Socket;
  try {
    const onread = secure === undefined && reads.socketOptions;
    const options = { fd, allowHalfOpen: true, ...onread, pauseOnCreate: true };
    socket = new Socket(options);
  } catch (error) {
    throw new PortcatError(`cannot use ${inWords(fd)}: ${(error as Error).message}`, {
      exitCode: ExitCode.cannotBind,
      code: codeOf(error),
      cause: error,
    });
  }
  if (!hasPeer(socket, fd)) {
    socket.destroy();
    throw new PortcatError(
      `cannot talk through ${inWords(fd)}: it is not connected (ENOTCONN); a listening socket goes to \`listen\``,
      { exitCode: ExitCode.cannotBind, code: "ENOTCONN", address: inWords(fd) },
    );
  }
  setSocketOptions(socket, sockets, emit);
  const ends = endsOf(socket, fd);
  if (secure !== undefined)
    return secure({ socket, lower: socket, ends }, undefined, signal).then(linkConnection);
  reads.attach(socket);
  return connectionOf(socket, ends, reads);
}

/** Whether it has, or had, a peer: a listening socket, or one that is only bound, has none. */
function hasPeer(socket: Socket, fd: number): boolean {
  if (socket.localAddress !== undefined) return socket.remoteAddress !== undefined;
  try {
    // An empty write sends nothing on a UNIX stream, and tells whether it was ever connected.
    writeSync(fd, Buffer.alloc(0));
    return true;
  } catch (error) {
    return codeOf(error) !== "ENOTCONN";
  }
}

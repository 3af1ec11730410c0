import { setTimeout as sleep } from "node:timers/promises";
import { codeOf, ExitCode, systemError } from "../errors.ts";
import type { Emit } from "../events.ts";
import { linkConnection, secureLink } from "./behind-handshake.ts";
import {
  type Connection,
  connectionOf,
  type Link,
  type Secure,
  type SecureLink,
} from "./connection.ts";
import { type Deadline, timedOut, withDeadline } from "./deadline.ts";
import { type Dialed, type Reader, socketFor } from "./dialed.ts";
import { abortable } from "./resolve.ts";
import { socketName, warnOfPadding } from "./unix.ts";

/** A listener whose backlog is full refuses at once (connect(2), EAGAIN) where TCP would wait. */
const fullBacklogMs = 20;

export interface UnixTarget {
  readonly path: string;
  /** Over waiting for a full listener and a TLS handshake; 0 for no limit. */
  readonly timeoutMs: number;
  readonly secure?: Secure;
}

/**
 * Connects to a UNIX socket.
 *
 * @throws PortcatError: nobody listens there or nothing is there (exit code 4), no answer (5), no
 *   permission (1)
 */
export async function connectUnix(
  target: UnixTarget,
  signal: AbortSignal,
  emit: Emit,
): Promise<Connection> {
  const { path, timeoutMs, secure } = target;
  if (secure !== undefined) return linkConnection(await linkUnix(target, signal, emit));
  return withDeadline(timeoutMs, signal, async (signal, deadline) => {
    const { socket, reads } = await dialUnix(path, "ours", deadline, signal, emit);
    return connectionOf(socket, { transport: "unix", path }, reads);
  });
}

/** Connects to a UNIX socket, for somebody else to read. @throws PortcatError as `connectUnix` does */
export function linkUnix(
  { path, timeoutMs, secure }: UnixTarget,
  signal: AbortSignal,
  emit: Emit,
): Promise<Link | SecureLink> {
  return withDeadline(timeoutMs, signal, async (signal, deadline) => {
    const { socket } = await dialUnix(path, "another", deadline, signal, emit);
    const link = { socket, lower: socket, ends: { transport: "unix", path } as const };
    return secure === undefined ? link : secureLink(secure, link, undefined, deadline, signal);
  });
}

/**
 * @param reader - "ours" attaches what reads it to the socket
 * @throws PortcatError as `connectUnix` does, or the reason of `signal`
 */
export async function dialUnix(
  path: string,
  reader: Reader,
  deadline: Deadline,
  signal: AbortSignal,
  emit: Emit,
): Promise<Dialed> {
  const name = socketName(path);
  warnOfPadding(path, emit);
  deadline.late = (seconds) =>
    timedOut(`cannot connect to ${path}: no answer within ${seconds} s`, { address: path });
  for (;;) {
    try {
      return await connectOnce(path, name, reader, signal);
    } catch (error) {
      if (codeOf(error) !== "EAGAIN") throw error;
    }
    await abortable(signal, sleep(fullBacklogMs));
  }
}

function connectOnce(
  path: string,
  name: string,
  reader: Reader,
  signal: AbortSignal,
): Promise<Dialed> {
  const { socket, reads } = socketFor(reader);
  const connecting = new Promise<Dialed>((resolve, reject) => {
    socket.once("error", (error) => {
      const exitCode = codeOf(error) === "ENOENT" ? ExitCode.refused : undefined;
      const details = { address: path, ...(exitCode !== undefined && { exitCode }) };
      reject(systemError(`cannot connect to ${path}`, error, details));
    });
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      if (reader === "ours") reads.attach(socket);
      resolve({ socket, reads });
    });
  });
  socket.connect({ path: name });
  return abortable(signal, connecting).catch((error: unknown) => {
    socket.destroy();
    throw error;
  });
}

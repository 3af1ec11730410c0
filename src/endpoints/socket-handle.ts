import type { Socket as DatagramSocket } from "node:dgram";
import { Socket } from "node:net";

/** A libuv handle as Node has it. Undocumented: every member is looked at before it is used. */
interface Handle {
  readonly fd?: unknown;
  readonly bytesWritten?: unknown;
  readonly writeQueueSize?: unknown;
  readonly useUserBuffer?: unknown;
  readonly readStart?: unknown;
  readonly readStop?: unknown;
}

function handleOf(socket: Socket): Handle | undefined {
  return (socket as unknown as { _handle?: Handle | null })._handle ?? undefined;
}

/**
 * The descriptor of a TCP or UNIX socket that is open, or undefined. Not that of a socket with
 * something above it, such as TLS.
 */
export function descriptorOf(socket: Socket): number | undefined {
  const handle = handleOf(socket);
  const kind = handle?.constructor.name;
  return kind === "TCP" || kind === "Pipe" ? validDescriptor(handle?.fd) : undefined;
}

let stateSymbol: symbol | undefined;

/** The same of a UDP socket, whose handle is below a symbol. */
export function descriptorOfDatagrams(socket: DatagramSocket): number | undefined {
  const symbol = (stateSymbol ??= Object.getOwnPropertySymbols(socket).find(
    ({ description }) => description === "state symbol",
  ));
  const states = socket as unknown as Record<symbol, { handle?: Handle | null } | undefined>;
  const handle = symbol && states[symbol]?.handle;
  return handle?.constructor.name === "UDP" ? validDescriptor(handle.fd) : undefined;
}

function validDescriptor(fd: unknown): number | undefined {
  return typeof fd === "number" && fd >= 0 ? fd : undefined;
}

/** Of the bytes written to the socket's stream, those that the system has taken. */
export function bytesTaken(socket: Socket): number {
  const handle = handleOf(socket);
  // What the handle was given, and what of it still waits there.
  const { bytesWritten, writeQueueSize } = handle ?? {};
  if (typeof bytesWritten === "number" && typeof writeQueueSize === "number")
    return bytesWritten - writeQueueSize;
  return socket.bytesWritten - socket.writableLength;
}

/** What `net.Socket` takes to read into buffers of ours. */
export interface OnRead {
  readonly buffer: () => Buffer;
  readonly callback: (count: number) => boolean;
}

/**
 * Makes a socket with read buffers of ours of one that a server has accepted (paused on connect), or
 * returns undefined and leaves it as it was.
 *
 * `net.Server` has no `onread` option, so the handle moves to a new socket.
 */
export function withReadBuffers(accepted: Socket, onread: OnRead): Socket | undefined {
  const handle = handleOf(accepted);
  if (
    typeof handle?.useUserBuffer !== "function" ||
    typeof handle.readStart !== "function" ||
    typeof handle.readStop !== "function"
  )
    return undefined;
  (accepted as unknown as { _handle: Handle | null })._handle = null;
  const options = { handle, allowHalfOpen: true, onread, pauseOnCreate: true };
  return new Socket(options as object);
}

/** What Node keeps the buffers of `onread` below, by the names of the symbols. */
const bufferNames = ["kBuffer", "kBufferCb", "kBufferGen"] as const;

/**
 * Has a socket that was made without `onread` read into buffers of ours from now on, or returns
 * false and leaves it as it was.
 *
 * A TLS socket over another takes no `onread`.
 */
export function readInto(socket: Socket, onread: OnRead): boolean {
  const handle = handleOf(socket);
  const symbols = Object.getOwnPropertySymbols(socket);
  const [buffer, callback, generate] = bufferNames.map((name) =>
    symbols.find(({ description }) => description === name),
  );
  if (buffer === undefined || callback === undefined || generate === undefined) return false;
  if (typeof handle?.useUserBuffer !== "function") return false;
  const first = onread.buffer();
  Object.assign(socket, {
    [buffer]: first,
    [callback]: onread.callback,
    [generate]: onread.buffer,
  });
  (handle.useUserBuffer as (bytes: Buffer) => void).call(handle, first);
  return true;
}

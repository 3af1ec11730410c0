import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";

/** How long a client that was refused may go on talking: closed at once, it might never read why. */
const lingerMs = 1000;

/**
 * Answers past Node's server, which has given up on this client, and closes.
 *
 * @returns false where our side was closed before
 */
export function refuse(socket: Socket, status: number, headers: readonly string[] = []): boolean {
  const lines = [
    `HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ""}`,
    "Connection: close",
    "Content-Length: 0",
    ...headers,
  ];
  const { writable } = socket;
  if (writable) socket.end(`${lines.join("\r\n")}\r\n\r\n`);
  if (socket.readableEnded) socket.destroySoon();
  else linger(socket);
  return writable;
}

function linger(socket: Socket): void {
  // Node's parser would go on reading.
  socket.removeAllListeners("data");
  socket.on("data", () => undefined);
  socket.once("end", () => socket.destroySoon());
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(timer));
  socket.resume();
}

import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { AnswerHead } from "./http-response.ts";

/** How long a client that was refused may go on talking: closed at once, it might never read why. */
const lingerMs = 1000;

/**
 * Answers past Node's server, which has given up on this client, and closes.
 *
 * @returns what was written, with an empty body; undefined where our side was closed before
 */
export function refuse(
  socket: Socket,
  status: number,
  headers: AnswerHead["headers"] = [],
): AnswerHead | undefined {
  const { writable } = socket;
  const refusal: AnswerHead = {
    status,
    reason: STATUS_CODES[status] ?? "",
    headers: [["Connection", "close"], ["Content-Length", "0"], ...headers],
  };
  if (writable) {
    const lines = refusal.headers.map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${String(status)} ${refusal.reason}\r\n${lines.join("")}\r\n`);
  }
  if (socket.readableEnded) socket.destroySoon();
  else linger(socket);
  return writable ? refusal : undefined;
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

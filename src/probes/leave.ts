import type { Socket } from "node:net";
import type { Readable } from "node:stream";

/** How long the rest of an answer, and the other side's close after ours, may take. */
const closeMs = 200;

const leaving = new Set<Socket>();
const waiting: (() => void)[] = [];

/**
 * Ends a connection with a FIN, also where something unread would make it a reset.
 *
 * @param answer - read to its end before, for its sender would take us for one that has broken off
 */
export function leave(socket: Socket, answer?: Readable): void {
  socket.on("error", () => undefined);
  if (socket.closed || leaving.has(socket)) return;
  leaving.add(socket);
  const timer = setTimeout(() => socket.destroy(), closeMs);
  socket.once("close", () => {
    clearTimeout(timer);
    leaving.delete(socket);
    if (leaving.size === 0) for (const resolve of waiting.splice(0)) resolve();
  });
  if (answer === undefined || answer.closed) socket.end();
  else answer.once("close", () => socket.end()).resume();
  socket.resume();
}

/** Waits until every connection that we have left is closed. */
export function allLeft(): Promise<void> {
  if (leaving.size === 0) return Promise.resolve();
  return new Promise((resolve) => waiting.push(resolve));
}

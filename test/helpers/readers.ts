import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { onTestFinished } from "vitest";

export interface Pace {
  /** Milliseconds between two reads of 64 KiB at most; 0 reads as fast as it can. */
  everyMs: number;
  /** After this many milliseconds it reads as fast as it can. */
  forMs?: number;
}

/** A client that reads at a pace of its own, and keeps count and hash of what it got. */
export interface Reader {
  readonly socket: Socket;
  count(): number;
  /** Resolves with the hash of everything when our end, or the end of the connection, has arrived. */
  readonly hash: Promise<string>;
}

/** Reads a socket at a pace. */
export function readAt(socket: Socket, { everyMs, forMs = Infinity }: Pace): Reader {
  const started = performance.now();
  const hash = createHash("sha256");
  let count = 0;
  socket.on("data", (chunk: Buffer) => {
    hash.update(chunk);
    count += chunk.length;
    if (everyMs === 0 || performance.now() - started > forMs) return;
    socket.pause();
    setTimeout(() => socket.resume(), everyMs);
  });
  socket.on("error", () => undefined);
  socket.resume();
  return {
    socket,
    count: () => count,
    hash: new Promise((resolve) => {
      const over = () => resolve(hash.copy().digest("hex"));
      socket.once("end", over);
      socket.once("close", over);
    }),
  };
}

/** A connected socket that reads nothing until it is resumed. */
export async function frozenClient(at: NetConnectOpts): Promise<Socket> {
  const socket = connect({ ...at, allowHalfOpen: true } as NetConnectOpts);
  socket.on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

/** Connects a client that reads at a pace. */
export async function readingClient(at: NetConnectOpts, pace: Pace): Promise<Reader> {
  return readAt(await frozenClient(at), pace);
}

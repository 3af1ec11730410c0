import { Socket } from "node:net";
import { SocketReads } from "./socket-reads.ts";

/** Who reads a socket: "ours" reads into buffers of ours, for which the socket has to be made. */
export type Reader = "ours" | "another";

export interface Dialed {
  readonly socket: Socket;
  /** Attached to the socket where the reader is "ours". */
  readonly reads: SocketReads;
}

/** A socket to connect, paused. */
export function socketFor(reader: Reader): Dialed {
  const reads = new SocketReads();
  const socket = new Socket({ allowHalfOpen: true, ...(reader === "ours" && reads.socketOptions) });
  socket.pause();
  return { socket, reads };
}

import type { Socket } from "node:net";

/**
 * What a port has answered. "no answer" is all that silence tells: something on the way may drop
 * what is sent, and a UDP service may have nothing to say.
 */
export interface Verdict {
  readonly state: "open" | "closed" | "no answer";
  /** The code of the answer or its lack, ECONNREFUSED for example; undefined where it is open. */
  readonly code?: string;
  /** What the service said first. */
  readonly banner?: Buffer;
}

/** What is asked: one address, one port. */
export interface Probe {
  readonly address: string;
  readonly family: 4 | 6;
  readonly port: number;
  readonly timeoutMs: number;
}

/** How close an answer comes to "open". */
const rank = { open: 2, closed: 1, "no answer": 0 };

/** Of a host with several addresses, the answer that tells most. */
export function mostTelling<V extends Verdict>(verdicts: readonly V[]): V | undefined {
  return verdicts.toSorted((a, b) => rank[b.state] - rank[a.state])[0];
}

/** What says something of this machine, which may have it again in a moment, and nothing of the port. */
const passing = ["EMFILE", "ENFILE", "EADDRNOTAVAIL", "EADDRINUSE", "ENOBUFS", "ENOMEM", "EAGAIN"];

export const isPassing = (code: string): boolean => passing.includes(code);

/** The system may have given us the very port that we ask, and then we have reached ourselves. */
export function reachedItself(socket: Socket): boolean {
  const { localPort, localAddress, remotePort, remoteAddress } = socket;
  return localPort !== undefined && localPort === remotePort && localAddress === remoteAddress;
}

import type { Socket } from "node:net";
import type { PortcatError } from "../errors.ts";
import type { Ends } from "../events.ts";
import { IdleWatch } from "../flow/idle-watch.ts";
import { placeOf } from "./connection.ts";
import type { BodyProgress } from "./http-body.ts";
import { idleClient } from "./http-server-failure.ts";
import { bytesTaken, descriptorOf } from "./socket-handle.ts";
import { unacknowledged } from "./socket-tables.ts";

/** A request that is not over. */
interface OpenRequest extends BodyProgress {
  readonly name: string;
}

/** What is looked at of a connection. */
export interface Watched<Open extends OpenRequest> {
  readonly ends: Ends;
  /** The socket of the system. */
  readonly lower: Socket;
  readonly open: ReadonlySet<Open>;
  /** How many requests have begun. */
  requests(): number;
  /** Whether a client that has no request open may rest, as between two of them. */
  mayRest(): boolean;
}

/** What becomes of a client that was silent for too long. */
export interface OnSilence<Open> {
  /** It rested, and may. */
  readonly rested: () => void;
  /** It has not said all, and can be told so. */
  readonly unsaid: (failure: PortcatError, incomplete: Open | undefined) => void;
  /** It does not take its answer. */
  readonly untaken: (failure: PortcatError) => void;
}

/** Watches a client for silence. Headers have to be whole in that time; a body and an answer have to move. */
export function watchIdle<Open extends OpenRequest>(
  timeoutMs: number,
  watched: Watched<Open>,
  on: OnSilence<Open>,
): IdleWatch {
  const { lower, ends, open } = watched;
  let looks = 0;
  const moved = () => {
    // However many bytes of them come.
    if (open.size === 0) return `headers of request ${String(watched.requests() + 1)}`;
    if ([...open].some(({ waits }) => waits)) return `look ${String(++looks)}, it is our turn`;
    return `byte ${String(lower.bytesRead + bytesTaken(lower))}`;
  };
  const held = () => {
    const descriptor = ends.transport === "tcp" ? descriptorOf(lower) : undefined;
    return descriptor === undefined || open.size === 0 ? 0 : unacknowledged(descriptor);
  };
  const late = (what: string, status?: number) =>
    idleClient(placeOf(ends), what, timeoutMs, status);
  const expired = () => {
    const incomplete = incompleteOf(open);
    if (incomplete !== undefined)
      on.unsaid(late(`${incomplete.name}: nothing more of the body`, 408), incomplete);
    else if (open.size > 0) on.untaken(late("nothing of the answer was taken"));
    else if (watched.mayRest()) on.rested();
    else on.unsaid(late("no whole request", 408), undefined);
  };
  return new IdleWatch(timeoutMs, moved, held, expired);
}

/** The request whose body is still coming. */
export function incompleteOf<Open extends OpenRequest>(open: ReadonlySet<Open>): Open | undefined {
  return [...open].find(({ request }) => !request.complete);
}

import type { Emit } from "../events.ts";
import type { PortcatError } from "../errors.ts";

/** What every command is given. */
export interface Context {
  readonly emit: Emit;
  /** To be called before something is written to stdout that may be the terminal of stderr's live lines. */
  readonly settle: () => void;
  /** Aborts when the run is to end; its reason is a PortcatError. */
  readonly signal: AbortSignal;
  /** Ends the run for this reason. */
  readonly abort: (reason: PortcatError) => void;
  /** From now on signals are for `take` to see to, those too that we do not listen to otherwise. */
  readonly handOverSignals: (take: (name: NodeJS.Signals) => void) => void;
  /** Whether an event may be emitted without waiting; also where stderr is stuck, or the run has been ended. */
  readonly mayEmit: () => boolean;
  /** Whether an event for every datagram goes anywhere. */
  readonly datagramsShown: () => boolean;
}

import { codeOf } from "../errors.ts";
import type { Probe, Verdict } from "./verdict.ts";

/** Asks one, and calls `done` once; with an Error where it could not be asked. */
export type Ask = (probe: Probe, done: (verdict: Verdict | Error) => void) => void;

/** What this machine may have again in a moment. */
const passing = ["EMFILE", "ENFILE", "EADDRNOTAVAIL", "ENOBUFS", "EAGAIN"];
const pauseMs = 20;

/**
 * Asks many, never more than `parallel` at a time, in order.
 *
 * Where this machine has no descriptor or port left for one more, it waits until others are done.
 *
 * @param answered - called as answers come, in any order
 * @throws Error of this machine where not even a single one could be asked; the reason of `signal`
 */
export function askAll(
  probes: Iterator<Probe, void>,
  parallel: number,
  ask: Ask,
  answered: (probe: Probe, verdict: Verdict) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const again: Probe[] = [];
    let asking = 0;
    let over = false;
    let pause: NodeJS.Timeout | undefined;
    let failures = 0;
    const end = (error?: Error) => {
      if (over) return;
      over = true;
      clearTimeout(pause);
      signal.removeEventListener("abort", aborted);
      if (error === undefined) resolve();
      else reject(error);
    };
    const aborted = () => end(signal.reason as Error);
    const next = () => {
      const waiting = again.pop();
      if (waiting !== undefined) return waiting;
      const following = probes.next();
      return following.done === true ? undefined : following.value;
    };
    const askMore = () => {
      pause = undefined;
      while (!over && asking < parallel && pause === undefined) {
        const probe = next();
        if (probe === undefined) break;
        asking++;
        ask(probe, (verdict) => {
          asking--;
          if (verdict instanceof Error) putOff(probe, verdict);
          else {
            failures = 0;
            answered(probe, verdict);
          }
          if (!over && pause === undefined) askMore();
        });
      }
      if (asking === 0 && pause === undefined) end();
    };
    const putOff = (probe: Probe, error: Error) => {
      if (!passing.includes(codeOf(error)) || ++failures > mostFailures) return end(error);
      again.push(probe);
      pause ??= setTimeout(askMore, pauseMs);
    };
    if (signal.aborted) return aborted();
    signal.addEventListener("abort", aborted);
    askMore();
  });
}

/** In a row, with nothing answered between them: a minute's worth of pauses with one at a time. */
const mostFailures = 3000;

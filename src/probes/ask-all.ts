import { codeOf } from "../errors.ts";
import { isPassing, type Probe, type Verdict } from "./verdict.ts";

/** Asks one, and calls `done` once; with an Error where it could not be asked. */
export type Ask = (probe: Probe, done: (verdict: Verdict | Error) => void) => void;

const pauseMs = 20;
/** With nothing asked meanwhile. */
const mostPauses = 500;

/**
 * Asks many, never more than `parallel` at a time, in order.
 *
 * Where this machine has no descriptor or port left for one more, it waits until others are done.
 *
 * @param answered - called as answers come, in any order, and no more after the end
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
    /** How many are being asked at each address, and which addresses have answered. */
    const asking = new Map<string, number>();
    const heardOf = new Set<string>();
    const unreachable = new Set<string>();
    let count = 0;
    /** What this machine seems to be able to; it grows by one in each round. */
    let most = parallel;
    let pauses = 0;
    let over = false;
    let pause: NodeJS.Timeout | undefined;
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
    const change = (address: string, by: 1 | -1) => {
      count += by;
      asking.set(address, (asking.get(address) ?? 0) + by);
    };
    const askMore = () => {
      pause = undefined;
      while (!over && count < Math.floor(most) && pause === undefined) {
        const probe = next();
        if (probe === undefined) break;
        change(probe.address, 1);
        ask(probe, (verdict) => {
          change(probe.address, -1);
          if (over) return;
          if (verdict instanceof Error) failed(probe, verdict);
          else tell(probe, verdict);
          if (pause === undefined) askMore();
        });
      }
      if (count === 0 && pause === undefined) end();
    };
    const tell = (probe: Probe, verdict: Verdict) => {
      pauses = 0;
      most = Math.min(parallel, most + 1 / most);
      heardOf.add(probe.address);
      answered(probe, verdict);
    };
    const failed = (probe: Probe, error: Error) => {
      const code = codeOf(error);
      if (!isPassing(code)) return end(error);
      // All ports may be in use, or there is no way to this address, as to ::1 without IPv6.
      const { address } = probe;
      if (code === "EADDRNOTAVAIL" && !heardOf.has(address)) {
        if (asking.get(address) === 0) unreachable.add(address);
        if (unreachable.has(address)) return answered(probe, { state: "no answer", code });
      }
      most = Math.max(count, 1);
      if (count === 0 && ++pauses > mostPauses) return end(error);
      again.push(probe);
      pause ??= setTimeout(askMore, pauseMs);
    };
    if (signal.aborted) return aborted();
    signal.addEventListener("abort", aborted);
    askMore();
  });
}

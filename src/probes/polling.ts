import { setTimeout as sleep } from "node:timers/promises";
import type { AskTarget, Readiness } from "./readiness.ts";

/** The first pause between two attempts; each is twice the one before, up to the longest. */
const firstPauseMs = 25;
/** What the system answers where nobody is there whom more attempts could bother. */
const absentCodes: readonly (string | null)[] = ["ECONNREFUSED", "ENOENT"];

/** An attempt that the deadline has cut short tells less than an earlier one, unless it lasted so long. */
const tellingMs = 1000;

export interface Polling {
  readonly ask: AskTarget;
  readonly isWanted: (answer: Readiness) => boolean;
  /** How often in a row it has to be what is wanted. */
  readonly stable: number;
  /** The longest pause, and the longest where nobody is there. */
  readonly intervalMs: number;
  readonly absentIntervalMs: number;
  /** On the clock of performance.now(). */
  readonly deadline: number;
}

/** Where the polling of a target is. */
export interface Polled {
  readonly attempts: number;
  readonly last: Readiness | undefined;
  /** How often it was what is wanted, the last times. */
  readonly inARow: number;
  readonly done: boolean;
}

/**
 * Asks until the answer was what is wanted, or the deadline has passed.
 *
 * @param tell - called after each attempt; `changed` is whether it answered something else than before
 * @throws the reason of `signal`
 */
export async function poll(
  { ask, isWanted, stable, intervalMs, absentIntervalMs, deadline }: Polling,
  tell: (polled: Polled & { last: Readiness }, changed: boolean) => void,
  signal: AbortSignal,
): Promise<Polled> {
  let last: Readiness | undefined;
  let inARow = 0;
  let pauseMs = firstPauseMs;
  for (let attempts = 1; ; attempts++) {
    const begun = performance.now();
    const { answer, cut } = await ask(Math.max(Math.round(deadline - begun), 1), signal);
    const before = last;
    const tells = !cut || performance.now() - begun >= tellingMs;
    if (tells || last === undefined) last = answer;
    inARow = isWanted(answer) && !cut ? inARow + 1 : 0;
    const polled = { attempts, last, inARow, done: inARow >= stable };
    tell(polled, gistOf(last) !== gistOf(before));
    if (polled.done) return polled;
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) return polled;
    const isAbsent = absentCodes.includes(answer.code);
    // Whoever has just come is asked again soon.
    if (!isAbsent && absentCodes.includes(before?.code ?? null)) pauseMs = firstPauseMs;
    const longestMs = isAbsent ? absentIntervalMs : intervalMs;
    await sleep(Math.min(pauseMs, longestMs, leftMs), undefined, { signal }).catch(() => undefined);
    signal.throwIfAborted();
    if (performance.now() >= deadline) return polled;
    pauseMs *= 2;
  }
}

const gistOf = (answer: Readiness | undefined) => answer?.gist ?? answer?.words;

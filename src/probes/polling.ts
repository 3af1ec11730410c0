import { setTimeout as sleep } from "node:timers/promises";
import type { Attempt, Readiness } from "./readiness.ts";

/** The first pause between two attempts; each is twice the one before, up to the longest. */
const firstPauseMs = 25;
/** The part of the interval that is the longest pause where only the system answers, that nobody is there. */
const absentPart = 1 / 5;
const absentCodes: readonly (string | null)[] = ["ECONNREFUSED", "ENOENT"];

/** An attempt that the deadline has cut short tells less than an earlier answer, unless it lasted so long. */
const tellingMs = 1000;

export interface Polling {
  readonly attempt: Attempt;
  readonly isWanted: (answer: Readiness) => boolean;
  /** How often in a row it has to be what is wanted. */
  readonly stable: number;
  /** The longest pause. */
  readonly intervalMs: number;
  /** On the clock of performance.now(). */
  readonly deadline: number;
}

/** Where the polling of a target is. */
export interface Polled {
  readonly attempts: number;
  readonly last: Readiness | undefined;
  readonly done: boolean;
}

/**
 * Asks until the answer was what is wanted, or the deadline has passed.
 *
 * @param tell - called after each attempt; `changed` is whether it answered something else than before
 * @throws the reason of `signal`
 */
export async function poll(
  { attempt, isWanted, stable, intervalMs, deadline }: Polling,
  tell: (polled: Polled & { last: Readiness }, changed: boolean) => void,
  signal: AbortSignal,
): Promise<Polled> {
  let last: Readiness | undefined;
  let inARow = 0;
  let pauseMs = firstPauseMs;
  for (let attempts = 1; ; attempts++) {
    const begun = performance.now();
    const answer = await attempt(Math.max(Math.round(deadline - begun), 1), signal);
    const now = performance.now();
    const isCut = !isWanted(answer) && now >= deadline && now - begun < tellingMs;
    const before = last;
    if (!isCut || last === undefined) last = answer;
    inARow = isWanted(answer) ? inARow + 1 : 0;
    const polled = { attempts, last, done: inARow >= stable };
    tell(polled, gistOf(last) !== gistOf(before));
    if (polled.done) return polled;
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) return polled;
    const isAbsent = absentCodes.includes(answer.code);
    // Whoever has just come is asked again soon.
    if (!isAbsent && absentCodes.includes(before?.code ?? null)) pauseMs = firstPauseMs;
    const longestMs = isAbsent ? intervalMs * absentPart : intervalMs;
    await sleep(Math.min(pauseMs, longestMs, leftMs), undefined, { signal }).catch(() => undefined);
    signal.throwIfAborted();
    if (performance.now() >= deadline) return polled;
    pauseMs *= 2;
  }
}

const gistOf = (answer: Readiness | undefined) => answer?.gist ?? answer?.words;

import type { Target } from "../../cli/target.ts";
import { ExitCode, PortcatError } from "../../errors.ts";
import { allLeft } from "../../probes/leave.ts";
import { poll, type Polled } from "../../probes/polling.ts";
import type { Attempt } from "../../probes/readiness.ts";
import type { Context } from "../context.ts";
import type { WaitOptions } from "../wait.ts";
import { print } from "./print.ts";
import { proxyOf } from "./proxy.ts";
import { runCommand } from "./run-command.ts";
import { attemptOf, type Manner } from "./wait-attempts.ts";

/** How long connecting may take, and then what is expected, where nothing was typed. */
const connectMs = 2000;
const answerMs = 10_000;

/** What came of waiting for a target. */
interface Outcome extends Polled {
  readonly target: Target;
  /** Milliseconds until it was ready, or gone; null where it was not. */
  readonly duration: number | null;
}

/** Waits for all targets, or one of them, tells what came of it, and runs the command. */
export async function runWait(
  targets: readonly Target[],
  command: readonly string[],
  options: WaitOptions & { json: boolean; agent: string },
  context: Context,
): Promise<void> {
  const manner: Manner = {
    ...options,
    connectMs: options.connectTimeout ?? connectMs,
    answerMs: options.connectTimeout ?? answerMs,
    throughProxy: options.proxy && (await proxyOf(options.proxy, options.proxyCa, context)),
  };
  const attempts = await Promise.all(targets.map((target) => attemptOf(target, manner, context)));
  const begun = performance.now();
  const outcomes = await outcomesOf(targets, attempts, manner, begun, context);
  context.settle();
  const isDone = options.any
    ? outcomes.some(({ done }) => done)
    : outcomes.every(({ done }) => done);
  if (options.json && command.length === 0)
    await print(`${JSON.stringify(resultOf(outcomes, isDone, begun))}\n`);
  if (!isDone) {
    // An exit with what nobody has read would be a reset.
    await allLeft();
    throw notReady(outcomes, options);
  }
  if (command.length > 0) await runCommand(command, context);
}

/** Polls all targets at once, until it is known whether all, or one of them, are ready. */
async function outcomesOf(
  targets: readonly Target[],
  attempts: readonly Attempt[],
  manner: Manner,
  begun: number,
  context: Context,
): Promise<Outcome[]> {
  const { down = false, any, stable, interval, timeout } = manner;
  const enough = new AbortController();
  const signal = AbortSignal.any([context.signal, enough.signal]);
  const polling = {
    isWanted: ({ there, ready }: { there: boolean; ready: boolean }) => (down ? !there : ready),
    ...{ stable, intervalMs: interval, deadline: begun + timeout },
  };
  const outcomes = targets.map((target): Outcome => ({
    ...{ target, attempts: 0, last: undefined, done: false, duration: null },
  }));
  const polls = targets.map(async (target, nth) => {
    const attempt = attempts[nth];
    if (attempt === undefined) return;
    const tell = (polled: Polled, changed: boolean) => {
      const { attempts, last, done } = polled;
      const elapsed = Math.round(performance.now() - begun);
      outcomes[nth] = { target, attempts, last, done, duration: done ? elapsed : null };
      const state = done ? (down ? "gone" : "ready") : "waiting";
      const { words: answer = "", code = null } = last ?? {};
      const told = {
        target: target.text,
        state,
        answer,
        code,
        attempts,
        duration: elapsed,
      } as const;
      context.emit({ event: "target", ...told, changed });
      if (done && any) enough.abort();
    };
    await poll({ attempt, ...polling }, tell, signal);
  });
  await Promise.all(polls).catch((error: unknown) => {
    if (!enough.signal.aborted || context.signal.aborted) throw error;
  });
  return outcomes;
}

/** What --json prints. */
function resultOf(outcomes: readonly Outcome[], ready: boolean, begun: number) {
  return {
    ready,
    duration: Math.round(performance.now() - begun),
    targets: outcomes.map(({ target, done, last, attempts, duration }) => ({
      target: target.text,
      ready: done,
      answer: last?.words ?? null,
      code: last?.code ?? null,
      attempts,
      duration,
    })),
  };
}

/** What each that is missing answered last; the exit code is theirs where they agree on it. */
function notReady(outcomes: readonly Outcome[], { down, timeout, any }: WaitOptions): PortcatError {
  const missing = outcomes.filter(({ done }) => !done);
  const state = down ? "gone" : "ready";
  const within = `within ${String(timeout / 1000)} s`;
  const answers = missing.map(({ target, last }) => ({
    text: target.text,
    words: last?.words ?? "no answer yet",
    exitCode: down ? ExitCode.timedOut : (last?.exitCode ?? ExitCode.timedOut),
    code: last?.code ?? undefined,
  }));
  const [first, ...others] = answers;
  const isAlike = others.every(({ exitCode }) => exitCode === first?.exitCode);
  const exitCode = isAlike && first?.exitCode ? first.exitCode : ExitCode.timedOut;
  const code = exitCode === ExitCode.timedOut ? "ETIMEDOUT" : first?.code;
  const each = answers.map(({ text, words }) => `${text}: ${words}`).join("; ");
  const message =
    outcomes.length === 1 && first !== undefined
      ? `${first.text} was not ${state} ${within}: ${first.words}`
      : any
        ? `none of ${String(outcomes.length)} was ${state} ${within}: ${each}`
        : `${String(missing.length)} of ${String(outcomes.length)} were not ${state} ${within}: ${each}`;
  return new PortcatError(message, { exitCode, code });
}

import { setMaxListeners } from "node:events";
import { inJson } from "../../cli/event-words.ts";
import { hostOfTarget, type Target } from "../../cli/target.ts";
import { ExitCode, PortcatError } from "../../errors.ts";
import { allLeft } from "../../probes/leave.ts";
import { isIP } from "../../ip.ts";
import { poll, type Polled, type Polling } from "../../probes/polling.ts";
import type { AskTarget } from "../../probes/readiness.ts";
import type { Context } from "../context.ts";
import type { WaitOptions } from "../wait.ts";
import { print } from "./print.ts";
import { proxyOf } from "./proxy.ts";
import { runCommand } from "./run-command.ts";
import { askerOf, type WaitSettings } from "./wait-askers.ts";

/** Where nothing was typed: how long connecting may take, and then what is expected, and pauses. */
const connectMs = 2000;
const answerMs = 10_000;
const intervalMs = 250;
const absentIntervalMs = 50;

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
  const settings: WaitSettings = {
    ...options,
    connectMs: options.connectTimeout ?? connectMs,
    answerMs: options.connectTimeout ?? answerMs,
    throughProxy: options.proxy && (await proxyOf(options.proxy, options.proxyCa, context)),
  };
  const asked = await Promise.all(
    targets.map(async (target) => ({ target, ask: await askerOf(target, settings, context) })),
  );
  const begun = performance.now();
  const restore = lookUpAtOnce(targets);
  try {
    const outcomes = await outcomesOf(asked, options, begun, context);
    context.settle();
    const done = outcomes[options.any ? "some" : "every"](({ done }) => done);
    if (options.json && command.length === 0)
      await print(`${inJson(resultOf(outcomes, done, options, begun))}\n`, context);
    if (!done) throw notReady(outcomes, options);
    restore();
    if (command.length === 0) return;
    // A ^C that was typed before there was a command has not gone to it, and ends us.
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
    context.signal.throwIfAborted();
    await runCommand(command, context);
  } finally {
    // An exit with what nobody has read would be a reset.
    await allLeft();
  }
}

/**
 * Lets all names be looked up at the same time: of the threads that libuv has, which is told their
 * number by the environment alone, half may look up names, and slow ones would hold up the others.
 *
 * @returns what restores the environment
 */
function lookUpAtOnce(targets: readonly Target[]): () => void {
  const { UV_THREADPOOL_SIZE: before } = process.env;
  const names = targets.map(hostOfTarget).filter((host) => host !== undefined && isIP(host) === 0);
  const threads = 2 * new Set(names).size;
  if (before !== undefined || threads <= usualThreads) return () => undefined;
  process.env["UV_THREADPOOL_SIZE"] = String(Math.min(threads, mostThreads));
  return () => delete process.env["UV_THREADPOOL_SIZE"];
}

const usualThreads = 4;
const mostThreads = 64;

/** Polls all targets at once, until it is known whether all, or one of them, are ready. */
async function outcomesOf(
  asked: readonly { target: Target; ask: AskTarget }[],
  { down = false, any, stable, interval, timeout }: WaitOptions,
  begun: number,
  context: Context,
): Promise<Outcome[]> {
  const enough = new AbortController();
  const signal = AbortSignal.any([context.signal, enough.signal]);
  // Every attempt listens to it.
  setMaxListeners(0, signal);
  const polling: Omit<Polling, "ask"> = {
    isWanted: ({ there, ready }) => (down ? !there : ready),
    stable,
    intervalMs: interval ?? intervalMs,
    absentIntervalMs: interval ?? absentIntervalMs,
    deadline: begun + timeout,
  };
  const outcomes = asked.map(({ target }): Outcome => ({
    target,
    attempts: 0,
    last: undefined,
    inARow: 0,
    done: false,
    duration: null,
  }));
  const polls = asked.map(({ target, ask }, nth) => {
    const tell = (polled: Polled, changed: boolean) => {
      const { attempts, last, done } = polled;
      const elapsed = Math.round(performance.now() - begun);
      outcomes[nth] = { target, ...polled, duration: done ? elapsed : null };
      const state = stateOf(done, down);
      const { words: answer = "", code = null } = last ?? {};
      const told = { target: target.text, state, answer, code, attempts, duration: elapsed };
      context.emit({ event: "target", ...told, changed });
      if (done && any) enough.abort();
    };
    return poll({ ask, ...polling }, tell, signal);
  });
  await Promise.all(polls).catch((error: unknown) => {
    if (!enough.signal.aborted || context.signal.aborted) throw error;
  });
  return outcomes;
}

function stateOf(done: boolean, down = false): "waiting" | "ready" | "gone" {
  if (!done) return "waiting";
  return down ? "gone" : "ready";
}

/** What --json prints. */
function resultOf(
  outcomes: readonly Outcome[],
  done: boolean,
  { down }: WaitOptions,
  begun: number,
) {
  return {
    done,
    duration: Math.round(performance.now() - begun),
    targets: outcomes.map(({ target, done, last, attempts, duration }) => ({
      target: target.text,
      state: stateOf(done, down),
      answer: last?.words ?? null,
      code: last?.code ?? null,
      attempts,
      duration,
    })),
  };
}

/** What each that is missing answered last; the exit code is theirs where they agree on it. */
function notReady(
  outcomes: readonly Outcome[],
  { down, timeout, any, stable }: WaitOptions,
): PortcatError {
  const missing = outcomes.filter(({ done }) => !done);
  const state = down ? "gone" : "ready";
  const within = `within ${String(timeout / 1000)} s`;
  const answers = missing.map(({ target, last, inARow }) => ({
    text: target.text,
    words: [
      last?.words ?? "no answer yet",
      ...(inARow > 0 ? [`${String(inARow)} of ${String(stable)} times in a row`] : []),
    ].join(", "),
    exitCode: down ? ExitCode.timedOut : (last?.exitCode ?? ExitCode.timedOut),
    code: last?.code ?? undefined,
  }));
  const [first, ...others] = answers;
  const isAlike = others.every(({ exitCode }) => exitCode === first?.exitCode);
  const exitCode = isAlike && first?.exitCode ? first.exitCode : ExitCode.timedOut;
  const code = exitCode === ExitCode.timedOut ? "ETIMEDOUT" : first?.code;
  const each = answers.map(({ text, words }) => `${text}: ${words}`).join("; ");
  const all = String(outcomes.length);
  const which = any ? `none of ${all} was` : `${String(missing.length)} of ${all} were not`;
  const message =
    outcomes.length === 1 && first !== undefined
      ? `${first.text} was not ${state} ${within}: ${first.words}`
      : `${which} ${state} ${within}: ${each}`;
  return new PortcatError(message, { exitCode, code });
}

import { causeInWords, codeOf, ExitCode, PortcatError } from "../errors.ts";

/** What a target has answered. */
export interface Readiness {
  /** Something is there, whatever it says. */
  readonly there: boolean;
  /** It is there, and what it says is what was expected. */
  readonly ready: boolean;
  /** In words: "connection refused (ECONNREFUSED)", "status 503". */
  readonly words: string;
  /** What makes it another answer than the one before, where that is not its words. */
  readonly gist?: string;
  readonly code: string | null;
  /** What a wait ends with that never had another answer. */
  readonly exitCode: number;
}

/**
 * Asks a target once.
 *
 * @param leftMs - until nobody wants to know any more
 * @throws the reason of `signal`, and nothing else
 */
export type Attempt = (leftMs: number, signal: AbortSignal) => Promise<Readiness>;

export const ready = (words: string): Readiness => ({
  there: true,
  ready: true,
  words,
  code: null,
  exitCode: ExitCode.ok,
});

/** It answers, and not as expected. */
export const unexpected = (words: string, code = "EUNEXPECTED", gist?: string): Readiness => ({
  there: true,
  ready: false,
  words,
  ...(gist !== undefined && { gist }),
  code,
  exitCode: ExitCode.denied,
});

/** Something is there, and says nothing within `timeoutMs`. */
export const silent = (words: string, timeoutMs: number): Readiness => ({
  there: true,
  ready: false,
  words: `${words} within ${String(timeoutMs / 1000)} s`,
  gist: words,
  code: "ETIMEDOUT",
  exitCode: ExitCode.timedOut,
});

const absent: readonly number[] = [
  ExitCode.unresolved,
  ExitCode.refused,
  ExitCode.timedOut,
  ExitCode.unreachable,
];

/**
 * What a failure to reach a target says.
 *
 * @param place - of the target, as it was typed: it need not be told twice
 */
export function unreached(error: unknown, place = ""): Readiness {
  const failure = error instanceof PortcatError ? error : undefined;
  const code = failure?.code ?? codeOf(error);
  const exitCode = failure?.exitCode ?? ExitCode.failure;
  return {
    // For want of a port of ours nothing is known.
    there: !(absent.includes(exitCode) && code !== "EADDRNOTAVAIL") && code !== "EPROXYTARGET",
    ready: false,
    words: (failure?.message ?? causeInWords(error)).replace(`cannot connect to ${place}: `, ""),
    ...(code === "ETIMEDOUT" && { gist: code }),
    code: code === "" ? null : code,
    exitCode: exitCodeFor(exitCode, code),
  };
}

/** A wait that has passed its deadline is late, but for what no time would have mended, as far as one sees. */
function exitCodeFor(exitCode: number, code: string): number {
  const tells =
    exitCode === ExitCode.unresolved ||
    exitCode === ExitCode.tls ||
    (exitCode === ExitCode.proxy && code !== "EPROXYTARGET");
  return tells ? exitCode : ExitCode.timedOut;
}

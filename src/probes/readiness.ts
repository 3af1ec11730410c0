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
  /** The exit code of a wait that ends with this answer. */
  readonly exitCode: number;
  /** It is the end of our own patience, and perhaps nothing that the target could help. */
  readonly late?: boolean;
}

/**
 * Asks a target once.
 *
 * @param leftMs - until nobody wants to know any more
 * @returns `cut` where that was too short for an answer
 * @throws the reason of `signal`, and what is a defect of ours
 */
export type AskTarget = (
  leftMs: number,
  signal: AbortSignal,
) => Promise<{ answer: Readiness; cut: boolean }>;

export const ready = (words: string): Readiness => ({
  there: true,
  ready: true,
  words,
  code: null,
  exitCode: ExitCode.ok,
});

/** It answers, and not as expected. */
export const unexpected = (
  words: string,
  { code = "EUNEXPECTED", ...more }: { code?: string; gist?: string; late?: boolean } = {},
): Readiness => ({
  ...{ there: true, ready: false, words, code, exitCode: ExitCode.denied },
  ...more,
});

/** Something is there, and says nothing within `timeoutMs`. */
export const silent = (words: string, timeoutMs: number): Readiness => ({
  there: true,
  ready: false,
  words: `${words} within ${String(timeoutMs / 1000)} s`,
  gist: words,
  code: "ETIMEDOUT",
  exitCode: ExitCode.timedOut,
  late: true,
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
 * @param atPlace - it happened at the very place that was typed, which need not be told again
 * @throws `error` where it is a defect of ours
 */
export function unreached(error: unknown, atPlace = false): Readiness {
  const failure = error instanceof PortcatError ? error : undefined;
  const code = failure?.code ?? codeOf(error);
  if (failure === undefined && code === "") throw error;
  const exitCode = failure?.exitCode ?? ExitCode.failure;
  const late = exitCode === ExitCode.timedOut;
  return {
    // For want of a port of ours nothing is known.
    there: !(absent.includes(exitCode) && code !== "EADDRNOTAVAIL") && code !== "EPROXYTARGET",
    ready: false,
    words: wordsOf(error, failure, atPlace),
    ...(late && { gist: "late", late }),
    ...(code === "ECONNRESET" && { gist: code }),
    code,
    exitCode: exitCodeFor(exitCode, code),
  };
}

function wordsOf(error: unknown, failure: PortcatError | undefined, atPlace: boolean): string {
  if (failure === undefined) return causeInWords(error);
  const { cause, exitCode, message } = failure;
  // What is wrong with a certificate, or with a proxy, takes more words.
  const isLong = exitCode === ExitCode.tls || exitCode === ExitCode.proxy;
  return atPlace && !isLong && codeOf(cause) !== "" ? causeInWords(cause) : message;
}

/** A wait that has passed its deadline timed out, unless it was about what more time does not mend. */
function exitCodeFor(exitCode: number, code: string): number {
  const tells =
    exitCode === ExitCode.unresolved ||
    exitCode === ExitCode.tls ||
    (exitCode === ExitCode.proxy && code !== "EPROXYTARGET");
  return tells ? exitCode : ExitCode.timedOut;
}

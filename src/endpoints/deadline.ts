import { ExitCode, PortcatError } from "../errors.ts";

/** "cannot connect to 127.0.0.1:9: no answer within 10 s (ETIMEDOUT)" */
export function timedOut(message: string, at?: { address: string; port?: number }): PortcatError {
  return new PortcatError(`${message} (ETIMEDOUT)`, {
    exitCode: ExitCode.timedOut,
    code: "ETIMEDOUT",
    ...at,
  });
}

/** What is said when a time limit passes; whoever works under it says what is being waited for. */
export interface Deadline {
  /** @param seconds - the limit, in words */
  late: (seconds: string) => PortcatError;
}

/**
 * The outcome of work that has `timeoutMs` (0 for no limit).
 *
 * @param work - is to end with the reason of its signal when that aborts
 */
export async function withDeadline<T>(
  timeoutMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal, deadline: Deadline) => Promise<T>,
): Promise<T> {
  const deadline: Deadline = { late: (seconds) => timedOut(`no answer within ${seconds} s`) };
  const limited = new AbortController();
  const abort = () => limited.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  const passed = () => limited.abort(deadline.late(String(timeoutMs / 1000)));
  const timer = timeoutMs > 0 ? setTimeout(passed, timeoutMs) : undefined;
  try {
    return await work(limited.signal, deadline);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}

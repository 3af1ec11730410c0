import { openStdout, stdoutSeemsClosed } from "../../endpoints/stdout.ts";
import { codeOf, ExitCode, readerLeft, systemError } from "../../errors.ts";
import type { Emit } from "../../events.ts";

export function warnOfClosedStdout(emit: Emit): void {
  if (stdoutSeemsClosed())
    emit({
      event: "warning",
      message: "stdout is closed or /dev/null: what is received is discarded",
    });
}

/** Writes a result to stdout as it comes. */
export interface Printer {
  print(text: string): void;
  /**
   * Waits until all of it is written, after the end of the run a second at most.
   *
   * @throws PortcatError when stdout does not take it
   */
  end(signal?: AbortSignal): Promise<void>;
  /** Fails as soon as stdout takes no more. */
  readonly failed: Promise<never>;
}

/** @param emit - is told where nobody will get it */
export function openPrinter(emit?: Emit): Printer {
  if (emit !== undefined) warnOfClosedStdout(emit);
  const sink = openStdout();
  let finished: () => void = () => undefined;
  const done = new Promise<void>((resolve) => (finished = resolve));
  const failed = new Promise<never>((_, reject) => {
    sink.open(finished, (error) => {
      const exitCode = codeOf(error) === "EPIPE" ? readerLeft : ExitCode.failure;
      reject(systemError("cannot write to stdout", error, { exitCode }));
    });
  });
  failed.catch(() => undefined);
  return {
    print: (text) => sink.write({ bytes: Buffer.from(text), release: () => undefined }),
    end: (signal) => {
      sink.end();
      return Promise.race([done, failed, ...(signal ? [lateBy(leftMs, signal)] : [])]);
    },
    failed,
  };
}

/** How long what is left may take once the run has been ended. */
const leftMs = 1000;

/** Done so long after a signal has aborted. */
function lateBy(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const ended = () => setTimeout(resolve, milliseconds).unref();
    if (signal.aborted) ended();
    else signal.addEventListener("abort", ended, { once: true });
  });
}

/** Writes a result to stdout, all of it. @throws PortcatError when stdout does not take it */
export function print(
  text: string,
  context?: { readonly emit: Emit; readonly signal: AbortSignal },
): Promise<void> {
  const printer = openPrinter(context?.emit);
  printer.print(text);
  return printer.end(context?.signal);
}

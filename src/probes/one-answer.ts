interface Patience<Answer> {
  readonly timeoutMs: number;
  /** The answer where none has come. */
  readonly late: () => Answer;
  /** Lets go of what was asked. */
  readonly leave: () => void;
  readonly signal: AbortSignal;
}

/**
 * The first answer that `ask` gives, or the one for none within the time.
 *
 * @throws the reason of the signal
 */
export function oneAnswer<Answer>(
  { timeoutMs, late, leave, signal }: Patience<Answer>,
  ask: (done: (answer: Answer) => void) => void,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let over = false;
    const end = () => {
      over = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", aborted);
      leave();
    };
    const done = (answer: Answer) => {
      if (over) return;
      end();
      resolve(answer);
    };
    const aborted = () => {
      end();
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => done(late()), timeoutMs);
    signal.addEventListener("abort", aborted);
    if (signal.aborted) aborted();
    else ask(done);
  });
}

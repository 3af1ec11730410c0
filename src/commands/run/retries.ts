import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectOptions } from "../../cli/options.ts";
import { abortable } from "../../endpoints/resolve.ts";
import { ExitCode, exitCodeOf, PortcatError } from "../../errors.ts";
import type { Context } from "../context.ts";

const worthAnotherTry: readonly number[] = [
  ExitCode.unresolved,
  ExitCode.refused,
  ExitCode.unreachable,
];

/** What a proxy tells of the target or itself counts as it would without one. */
function isWorthAnotherTry(error: PortcatError): boolean {
  const behindProxy = error.exitCode === ExitCode.proxy;
  if (behindProxy && error.code === "EPROXYTARGET") return true;
  return worthAnotherTry.includes((behindProxy && exitCodeOf(error)) || error.exitCode);
}

/** Connects, as often as asked for. @throws PortcatError of the last try, or the reason of the signal */
export async function withRetries<T>(
  connect: () => T | Promise<T>,
  { retry = 0, retryInterval = 0 }: Partial<ConnectOptions>,
  { emit, signal }: Context,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await connect();
    } catch (error) {
      if (!(error instanceof PortcatError) || attempt > retry) throw error;
      if (!isWorthAnotherTry(error)) throw error;
      emit({ event: "retry", message: error.message, attempt, delay: retryInterval });
      await abortable(signal, sleep(retryInterval));
    }
  }
}

import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectOptions, StreamOptions } from "../../cli/options.ts";
import type { Connection } from "../../endpoints/connection.ts";
import { abortable } from "../../endpoints/resolve.ts";
import { ExitCode, exitCodeOf, PortcatError } from "../../errors.ts";
import type { Context } from "../context.ts";
import { converse, limitRun, rulesOf, stdinFor, stdoutFor } from "./session.ts";

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

/** Connects, as often as asked for, and joins the connection to stdin and stdout. */
export async function runClient(
  connect: () => Connection | Promise<Connection>,
  options: StreamOptions & Partial<ConnectOptions>,
  context: Context,
): Promise<void> {
  limitRun(options.timeout, context);
  const connection = await connectWithRetries(connect, options, context);
  const local = { source: stdinFor(options, "client"), sink: stdoutFor(options, context) };
  const outcome = await converse(local, connection, rulesOf(options, 1, context), 1, context);
  if (outcome.failure !== undefined) throw outcome.failure;
  const { received, sent } = outcome;
  const proxied = connection.ends.transport !== "unix" && connection.ends.proxy !== undefined;
  if (proxied && options.halfClose && !options.sendOnly && sent > 0 && received === 0)
    context.emit({
      event: "warning",
      message:
        "nothing came back: many proxies end both directions at the end of one; --no-half-close keeps the other open, --send-only expects nothing",
    });
}

async function connectWithRetries(
  connect: () => Connection | Promise<Connection>,
  { retry = 0, retryInterval = 0 }: Partial<ConnectOptions>,
  { emit, signal }: Context,
): Promise<Connection> {
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

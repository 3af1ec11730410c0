import type { ConnectOptions, StreamOptions } from "../../cli/options.ts";
import type { Connection } from "../../endpoints/connection.ts";
import type { Context } from "../context.ts";
import { withRetries } from "./retries.ts";
import { converse, limitRun, rulesOf, stdinFor, stdoutFor } from "./session.ts";

/** Connects, as often as asked for, and joins the connection to stdin and stdout. */
export async function runClient(
  connect: () => Connection | Promise<Connection>,
  options: StreamOptions & Partial<ConnectOptions>,
  context: Context,
): Promise<void> {
  limitRun(options.timeout, context);
  const connection = await withRetries(connect, options, context);
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

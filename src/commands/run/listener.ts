import type { ListenerOptions, StreamOptions } from "../../cli/options.ts";
import type { Connection, SecureAccepted } from "../../endpoints/connection.ts";
import { asConnections, type Listener, type OnAccepted } from "../../endpoints/listener.ts";
import { abortable } from "../../endpoints/resolve.ts";
import { errorEvent, PortcatError } from "../../errors.ts";
import { FanOut } from "../../flow/fan-out.ts";
import type { Local } from "../../flow/chunk.ts";
import { withUnwritten } from "../../flow/endings.ts";
import type { Outcome } from "../../flow/relay.ts";
import { SharedSink } from "../../flow/shared-sink.ts";
import type { Context } from "../context.ts";
import { admission } from "./admission.ts";
import { announceBound, withoutReadyFile } from "./ready-file.ts";
import { converse, handshake, limitRun, rulesOf, stdinFor, stdoutFor } from "./session.ts";

/** Listens, and joins one client, or with --keep-open every client, to stdin and stdout. */
export async function runListener(
  open: (onAccepted: OnAccepted) => Promise<Listener>,
  options: StreamOptions & ListenerOptions,
  context: Context,
  tls?: { pin: string; secure: SecureAccepted },
): Promise<void> {
  limitRun(options.timeout, context);
  const bind: Open = (onConnection) =>
    withoutReadyFile(options.readyFile, () => open(asConnections(onConnection, tls?.secure)));
  await (options.keepOpen ? serveAll : serveOne)(bind, options, context, tls);
}

type Open = (onConnection: (connection: Connection) => void) => Promise<Listener>;

async function serveOne(
  open: Open,
  options: StreamOptions & ListenerOptions,
  context: Context,
  tls: { pin: string } | undefined,
): Promise<void> {
  let taken: (connection: Connection) => void = () => undefined;
  const first = new Promise<Connection>((resolve) => (taken = resolve));
  let served = false;
  const listener: Listener = await open((connection) => {
    // The system may have one more ready by the time we stop listening.
    if (served) return connection.close();
    served = true;
    listener.close();
    taken(connection);
  });
  let connection: Connection;
  try {
    announceBound({ ...listener.bound, ...(tls && { tls }) }, options.readyFile, context);
    connection = await abortable(context.signal, first);
  } finally {
    listener.close();
  }
  const local = { source: stdinFor(options, "listener"), sink: stdoutFor(options, context) };
  const { failure } = await converse(local, connection, rulesOf(options, 1, context), 1, context);
  if (failure !== undefined) throw failure;
}

async function serveAll(
  open: Open,
  options: StreamOptions & ListenerOptions,
  context: Context,
  tls: { pin: string } | undefined,
): Promise<void> {
  keepHeapSmall();
  const source = stdinFor(options, "listener");
  const stdin = source && new FanOut(source, { queueBytes: options.queue, stallMs: options.stall });
  const sink = stdoutFor(options, context);
  const stdout = sink && new SharedSink(sink);
  const sessions = new Set<Promise<void>>();
  const admits = admission(options.maxConnections, context);
  let lastId = 0;
  let unwritten = 0;

  const listener = await open((connection) => {
    if (!admits(connection.ends, sessions.size)) return connection.close();
    const id = ++lastId;
    const begin = () => {
      const local: Local = {
        source: stdin?.subscribe(connection.name, {
          taken: () => connection.sink.taken - (connection.unacknowledged?.() ?? 0),
          waiting: connection.hasWaiting,
        }),
        sink: stdout?.member(),
      };
      return converse(local, connection, rulesOf(options, id, context), id, context);
    };
    // Who does not even shake hands takes no part: nobody waits for it.
    const outcome = connection.secured ? handshake(connection, context).then(begin) : begin();
    const session = outcome.then(
      (outcome) => {
        sessions.delete(session);
        unwritten += outcome.unwritten;
        clientDone(outcome, id, context);
      },
      (failure: unknown) => {
        sessions.delete(session);
        if (!(failure instanceof PortcatError)) throw failure;
        clientDone({ failure, local: false }, id, context);
      },
    );
    sessions.add(session);
  });
  try {
    announceBound({ ...listener.bound, ...(tls && { tls }) }, options.readyFile, context);
    await abortable(context.signal, new Promise<never>(() => undefined));
  } catch (reason) {
    listener.close();
    await Promise.all(sessions);
    stdin?.stop();
    throw reason instanceof PortcatError ? withUnwritten(reason, unwritten) : reason;
  }
}

/**
 * A burst of clients makes V8 give new objects 32 MiB and more, and keep it; 2 MiB serve as well. The
 * flag is not a documented one: V8 complains about one that it does not know, so it is set where it
 * is known.
 */
function keepHeapSmall(): void {
  const major = Number.parseInt(process.versions.node);
  if (major > 26) return;
  process.getBuiltinModule("node:v8").setFlagsFromString("--semi-space-growth-factor=1");
}

/** One client's failure is its own; a failure of stdin or stdout is everybody's. */
function clientDone(
  { failure, local }: Pick<Outcome, "failure" | "local">,
  id: number,
  context: Context,
): void {
  if (failure === undefined || context.signal.aborted) return;
  if (local) context.abort(failure);
  else context.emit({ ...errorEvent(failure), id });
}

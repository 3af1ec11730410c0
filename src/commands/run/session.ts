import type { SocketOptionFlags, StreamOptions } from "../../cli/options.ts";
import type { Connection } from "../../endpoints/connection.ts";
import { peerOf } from "../../endpoints/connection.ts";
import type { SocketOptions } from "../../endpoints/socket-options.ts";
import { openStdin, stdinIsNull } from "../../endpoints/stdin.ts";
import { openStdout, stdoutIsTerminal } from "../../endpoints/stdout.ts";
import { ExitCode, PortcatError } from "../../errors.ts";
import type { TlsSession } from "../../events.ts";
import { abortable } from "../../endpoints/resolve.ts";
import type { Local, Sink, Source, Stage } from "../../flow/chunk.ts";
import { type Outcome, relay, type RelayRules } from "../../flow/relay.ts";
import { crlf } from "../../flow/stages/crlf.ts";
import { dump } from "../../flow/stages/dump.ts";
import { lineDelay } from "../../flow/stages/line-delay.ts";
import { printable } from "../../flow/stages/printable.ts";
import type { Context } from "../context.ts";
import { warnOfClosedStdout } from "./print.ts";

/** stdin, where it is to be sent. A listener whose stdin is closed or /dev/null sends nothing. */
export function stdinFor(options: StreamOptions, role: "listener" | "client"): Source | undefined {
  if (!options.stdin || options.receiveOnly) return undefined;
  if (role === "listener" && stdinIsNull()) return undefined;
  return openStdin();
}

/** stdout, where something is to be received. */
export function stdoutFor(options: { sendOnly?: boolean }, { emit }: Context): Sink | undefined {
  if (options.sendOnly) return undefined;
  warnOfClosedStdout(emit);
  return openStdout();
}

/** What the options say about one connection. */
export function rulesOf(options: StreamOptions, id: number, context: Context): RelayRules {
  const dumps = options.hex ? dumpsOf(id, context) : undefined;
  const outbound: Stage[] = [];
  if (options.lineDelay !== undefined) outbound.push(lineDelay(options.lineDelay));
  if (options.crlf) outbound.push(crlf);
  if (dumps !== undefined) outbound.push(dumps.sent);
  const inbound: Stage[] = [];
  if (dumps !== undefined) inbound.push(dumps.received);
  if (stdoutIsTerminal() && !options.raw) inbound.push(printable);
  return {
    halfClose: options.halfClose,
    allowHalfOpen: options.allowHalfOpen ?? false,
    lingerMs: options.linger,
    idleTimeoutMs: options.idleTimeout ?? 0,
    receiveBytes: options.bytes,
    outbound,
    inbound,
    ...(dumps && { waited: dumps.waited }),
    signal: context.signal,
  };
}

/** The dumps of both directions, and how often they have waited for a slow stderr: that is not idleness. */
function dumpsOf(id: number, { emit, mayEmit }: Context) {
  let waits = 0;
  const mayShow = () => {
    const may = mayEmit();
    if (!may) waits++;
    return may;
  };
  return {
    sent: dump(id, "sent", emit, mayShow),
    received: dump(id, "received", emit, mayShow),
    waited: () => waits,
  };
}

/** Waits for a TLS handshake. @throws PortcatError when it fails, or the run is ended; then it is closed */
export async function handshake(
  connection: Pick<Connection, "secured" | "close">,
  { signal }: Context,
): Promise<TlsSession | undefined> {
  try {
    return await abortable(signal, Promise.resolve(connection.secured));
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** Joins the near side to one connection, from its `connected` event to its `closed`. */
export async function converse(
  local: Local,
  connection: Connection,
  rules: RelayRules,
  id: number,
  context: Context,
): Promise<Outcome> {
  const { emit } = context;
  const tls = connection.secured && (await handshake(connection, context));
  const begun = performance.now();
  emit({ event: "connected", id, ...connection.ends, ...(tls && { tls }) });
  const outcome = await relay(local, connection, rules);
  emit({
    event: "closed",
    id,
    peer: peerOf(connection.ends),
    received: outcome.received,
    sent: outcome.sent,
    duration: Math.round(performance.now() - begun),
    reason: outcome.failure?.code ?? "end",
  });
  return outcome;
}

export function socketOptionsOf({
  delay = false,
  keepAlive,
  tos,
}: Partial<SocketOptionFlags>): SocketOptions {
  return { noDelay: !delay, keepAliveMs: keepAlive, dscp: tos };
}

/** Ends the whole run after this many milliseconds. */
export function limitRun(timeoutMs: number | undefined, context: Context): void {
  if (timeoutMs === undefined) return;
  const late = new PortcatError(
    `not done within ${String(timeoutMs / 1000)} s of --timeout (ETIMEDOUT)`,
    {
      exitCode: ExitCode.timedOut,
      code: "ETIMEDOUT",
    },
  );
  setTimeout(() => context.abort(late), timeoutMs).unref();
}

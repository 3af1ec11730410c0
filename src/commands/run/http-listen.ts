import { accessSync, constants, statSync } from "node:fs";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { AnswerOptions } from "../../cli/http-listen-options.ts";
import { peerOf } from "../../endpoints/connection.ts";
import { echoAnswer, fileAnswer, textAnswer } from "../../endpoints/http-answers.ts";
import type { Answer } from "../../endpoints/http-connection.ts";
import { HttpServer } from "../../endpoints/http-server.ts";
import type { Listener, OnAccepted } from "../../endpoints/listener.ts";
import { abortable } from "../../endpoints/resolve.ts";
import { stdoutIsTerminal } from "../../endpoints/stdout.ts";
import { causeInWords, errorEvent, PortcatError, usageError } from "../../errors.ts";
import type { Ends } from "../../events.ts";
import { BodyWriter } from "../../flow/body-writer.ts";
import { cannotWrite, withUnwritten } from "../../flow/endings.ts";
import { SharedSink } from "../../flow/shared-sink.ts";
import { endLine } from "../../flow/stages/end-line.ts";
import { printable } from "../../flow/stages/printable.ts";
import type { Context } from "../context.ts";
import type { HttpListenerOptions } from "../http-listen.ts";
import { admission } from "./admission.ts";
import { announceBound, withoutReadyFile } from "./ready-file.ts";
import { handshake, limitRun, stdoutFor } from "./session.ts";
import type { ListenerTls } from "./tls.ts";

const ok = 200;
/** These have no body (RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5). */
const withoutBody = [204, 205, 304];
/** How long bodies may still take to be written once the run has been ended. */
const flushMs = 1000;

/** How requests are to be answered. @throws PortcatError (exit code 2) when that cannot be */
export async function answerOf(options: AnswerOptions): Promise<Answer> {
  const { status = ok, header: headers = [], body, echo, serve } = options;
  const reply = { status, headers };
  if (withoutBody.includes(status) && (echo || body !== undefined))
    throw usageError(
      `--status ${String(status)} has no body: ${echo ? "--echo" : "--body"} cannot be used with it`,
    );
  if (serve !== undefined) {
    checkPath("--serve", serve, "folder");
    const { folderAnswer } = await import("../../endpoints/http-folder.ts");
    return folderAnswer(serve, headers);
  }
  if (echo) return echoAnswer(reply);
  if (body === undefined) return textAnswer(reply, "");
  if ("text" in body) return textAnswer(reply, body.text);
  checkPath("--body", body.path, "file");
  return fileAnswer(reply, body.path);
}

function checkPath(flag: string, path: string, kind: "file" | "folder"): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    throw usageError(`${flag} ${path}: ${causeInWords(error)}`);
  }
  const isFolder = statSync(path).isDirectory();
  if (isFolder !== (kind === "folder"))
    throw usageError(
      `${flag} ${path}: expected a ${kind}, but it is ${isFolder ? "a folder" : "none"}`,
    );
}

/**
 * Listens, shows each request, and answers it. One connection is served, or with --once one request,
 * or with --keep-open all that come.
 */
export async function runHttpListener(
  open: (onAccepted: OnAccepted) => Promise<Listener>,
  answer: Answer,
  options: HttpListenerOptions,
  context: Context,
  tls?: ListenerTls,
): Promise<void> {
  limitRun(options.timeout, context);
  const { emit, signal } = context;
  const { keepOpen = false, once = false, delay = 0, idleTimeout = 0 } = options;
  const sink = stdoutFor({}, context);
  if (sink === undefined) return;
  const stdout = new SharedSink(sink);
  const protects = stdoutIsTerminal() && !options.raw;
  const bodies = new BodyWriter(stdout, () => (protects ? [printable, endLine] : []), keepOpen);
  let stdoutFailed = false;
  stdout.member().open(
    () => undefined,
    (error) => {
      stdoutFailed = true;
      context.abort(cannotWrite({ source: undefined, sink }, error, bodies.received));
    },
  );
  const server = new HttpServer({
    answer,
    delayMs: delay,
    idleTimeoutMs: idleTimeout,
    once,
    bodies,
    emit,
  });
  const admits = admission(options.maxConnections, context);
  const sessions = new Set<Promise<void>>();
  /** How to close each client. */
  const clients = new Map<number, () => void>();
  let lastId = 0;
  /** The client whose end is that of the run. */
  let only: number | undefined;
  let done: (failure: PortcatError | undefined) => void = () => undefined;
  const first = new Promise<PortcatError | undefined>((resolve) => (done = resolve));

  const choose = (id: number): void => {
    if (keepOpen || only !== undefined) return;
    only = id;
    listener.close();
    for (const [other, close] of clients) if (other !== id) close();
  };
  const isPassedOver = (id: number) => only !== undefined && only !== id;

  /** Serves a client to its end. @returns what went wrong first, where the run's end is to tell it */
  const serve = async (accepted: Socket, ends: Ends, id: number) => {
    let failure: PortcatError | undefined;
    const failed = (error: PortcatError) => {
      if (signal.aborted || isPassedOver(id)) return;
      if (id === only && failure === undefined) failure = error;
      else emit({ ...errorEvent(error), id });
    };
    const over = tls?.accept(accepted, ends);
    let session;
    try {
      session = over && (await handshake({ ...over, close: () => over.secure.destroy() }, context));
    } catch (error) {
      if (!(error instanceof PortcatError)) throw error;
      failed(error);
      return failure;
    }
    if (isPassedOver(id)) {
      accepted.destroy();
      return failure;
    }
    const begun = performance.now();
    emit({ event: "connected", id, ...ends, ...(session && { tls: session }) });
    const asked = () => {
      if (once) choose(id);
      return !isPassedOver(id);
    };
    const client = { id, ends, lower: accepted, asked, failed };
    const connection = server.serve(over?.secure ?? accepted, client);
    clients.set(id, () => connection.close("end"));
    const reason = await connection.over;
    emit({
      event: "closed",
      id,
      peer: peerOf(ends),
      received: connection.received,
      sent: connection.sent,
      duration: Math.round(performance.now() - begun),
      reason,
    });
    return failure;
  };

  const take: OnAccepted = (accepted, ends) => {
    // The system may have one more ready by the time we stop listening.
    if (only !== undefined || !admits(ends, sessions.size)) return void accepted.destroy();
    const id = ++lastId;
    if (!once) choose(id);
    clients.set(id, () => accepted.destroy());
    const session = serve(accepted, ends, id).then((failure) => {
      sessions.delete(session);
      clients.delete(id);
      if (id === only) done(failure);
    });
    sessions.add(session);
  };

  const listener = await withoutReadyFile(options.readyFile, () => open(take));
  let failure: PortcatError | undefined;
  try {
    announceBound(
      { ...listener.bound, ...(tls && { tls: { pin: tls.pin } }) },
      options.readyFile,
      context,
    );
    failure = await abortable(signal, first);
  } catch (reason) {
    listener.close();
    if (!(reason instanceof PortcatError)) throw reason;
    server.close(reason.code ?? "end");
    await Promise.race([Promise.all(sessions), sleep(flushMs)]);
    const unwritten = stdoutFailed ? 0 : bodies.received - sink.delivered;
    throw withUnwritten(reason, unwritten);
  }
  await Promise.all(sessions);
  if (failure !== undefined) throw failure;
}

import { accessSync, constants, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { AnswerOptions } from "../../cli/http-listen-options.ts";
import { echoAnswer, fileAnswer, textAnswer } from "../../endpoints/http-answers.ts";
import type { Answer } from "../../endpoints/http-connection.ts";
import { HttpServer } from "../../endpoints/http-server.ts";
import type { Listener, OnAccepted } from "../../endpoints/listener.ts";
import { abortable } from "../../endpoints/resolve.ts";
import { stdoutIsTerminal } from "../../endpoints/stdout.ts";
import { causeInWords, PortcatError, usageError } from "../../errors.ts";
import { BodyWriter } from "../../flow/body-writer.ts";
import { cannotWrite, withUnwritten } from "../../flow/endings.ts";
import { SharedSink } from "../../flow/shared-sink.ts";
import { endLine } from "../../flow/stages/end-line.ts";
import { printable } from "../../flow/stages/printable.ts";
import type { Context } from "../context.ts";
import type { HttpListenerOptions } from "../http-listen.ts";
import { HttpSessions } from "./http-sessions.ts";
import { announceBound, withoutReadyFile } from "./ready-file.ts";
import { limitRun, stdoutFor } from "./session.ts";
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
  const stats = statSync(path);
  if (stats.isFIFO() || stats.isSocket())
    throw usageError(`${flag} ${path}: expected a ${kind}, but it is a pipe`);
  const isFolder = stats.isDirectory();
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
  const sessions = new HttpSessions(server, options, context, tls, () => listener.close());
  const listener = await withoutReadyFile(options.readyFile, () => open(sessions.take));
  let failure: PortcatError | undefined;
  try {
    announceBound(
      { ...listener.bound, ...(tls && { tls: { pin: tls.pin } }) },
      options.readyFile,
      context,
    );
    failure = await abortable(signal, sessions.chosenOver);
  } catch (reason) {
    listener.close();
    if (!(reason instanceof PortcatError)) throw reason;
    server.close(reason.code ?? "end");
    await Promise.race([sessions.over(), sleep(flushMs)]);
    const unwritten = stdoutFailed ? 0 : bodies.received - sink.delivered;
    throw withUnwritten(reason, unwritten);
  }
  await sessions.over();
  if (failure !== undefined) throw failure;
}

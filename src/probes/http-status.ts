import { type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import { causeInWords } from "../errors.ts";
import { leave } from "./leave.ts";
import { oneAnswer } from "./one-answer.ts";
import { type Readiness, ready, silent, unexpected } from "./readiness.ts";

/** What is looked at of a body, for text that has to be in it. */
const mostBytes = 1 << 20;

export interface Question {
  /** Path and query, or for a proxy the whole URL. */
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly statuses: readonly (readonly [from: number, to: number])[];
  /** Whether the body so far is what was expected. */
  readonly meets?: ((text: string) => boolean) | undefined;
}

/** The status is that of an answer that came. */
export type Answered = Readiness & { readonly status?: number };

/**
 * Sends a GET over a socket that is connected, looks at the status of the answer and perhaps at its
 * body, and leaves.
 *
 * @param signal - ends it, with its reason
 */
export function askStatus(
  socket: Socket,
  { target, headers, statuses, meets }: Question,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Answered> {
  let answer: IncomingMessage | undefined;
  let said = "no answer";
  const isWanted = (status: number) =>
    statuses.some(([from, to]) => from <= status && status <= to);
  const late = () =>
    answer === undefined
      ? silent("no answer", timeoutMs)
      : unexpected(`${said}, and not what was expected so far`, { late: true });
  const letGo = () => {
    answer?.removeAllListeners("data");
    leave(socket, answer);
  };
  const answered = oneAnswer<Readiness>({ timeoutMs, late, leave: letGo, signal }, (done) => {
    const asked = request({
      path: target,
      headers: [...headers, ["Connection", "close"]].flat(),
      createConnection: () => socket,
    });
    asked.on("error", (error) => done(unexpected(`no answer in HTTP: ${causeInWords(error)}`)));
    asked.on("close", () => done(unexpected("no answer in HTTP: the connection was closed")));
    // Another protocol is spoken from here on, which is left at once.
    asked.on("upgrade", ({ statusCode = 0 }) => {
      said = `status ${String(statusCode)}`;
      done(isWanted(statusCode) ? ready(said) : unexpected(said, { code: "ESTATUS" }));
    });
    asked.on("response", (response) => {
      answer = response;
      const { statusCode: status = 0, statusMessage = "" } = response;
      said = `status ${String(status)} ${statusMessage}`.trim();
      response.on("error", () => done(unexpected(`${said}, but its body broke off`)));
      if (!isWanted(status)) return done(unexpected(said, { code: "ESTATUS" }));
      if (meets === undefined) return done(ready(said));
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        body += text;
        if (meets(body)) done(ready(`${said}, with what was expected`));
        else if (body.length > mostBytes) done(unexpected(`${said}, without what was expected`));
      });
      response.on("end", () => done(unexpected(`${said}, without what was expected`)));
    });
    asked.end();
    socket.resume();
  });
  return answered.then((readiness) => {
    const status = answer?.statusCode;
    return { ...readiness, ...(status !== undefined && { status }) };
  });
}

import type { Socket } from "node:net";
import { causeInWords, codeOf } from "../errors.ts";
import { leave } from "./leave.ts";
import { oneAnswer } from "./one-answer.ts";
import { type Readiness, ready, silent, unexpected } from "./readiness.ts";

/** What is looked at, for text that has to come. */
const mostBytes = 1 << 20;
const mostShown = 60;

export interface Talk {
  /** Said first. */
  readonly send?: Uint8Array | undefined;
  /** Whether what has come so far is what was expected; nothing is where it is undefined. */
  readonly meets?: ((text: string) => boolean) | undefined;
}

/** Text for a line: in quotes, and not too much of it. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > mostShown ? `${text.slice(0, mostShown)}…` : text);
}

/**
 * Says something to a peer that is connected, listens for what is expected of it, and leaves.
 *
 * @param name - of the peer, in words
 * @param timeoutMs - for what is expected
 * @param signal - ends it, with its reason
 */
export function hearOut(
  socket: Socket,
  name: string,
  { send, meets }: Talk,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Readiness> {
  let text = "";
  const decoder = new TextDecoder();
  const said = () => (text === "" ? "nothing" : quoted(text));
  const late = () =>
    text === ""
      ? silent(`${name} has said nothing`, timeoutMs)
      : unexpected(`${name} has said ${said()}`, { gist: "has said", late: true });
  const letGo = () => {
    socket.removeAllListeners("data");
    leave(socket);
  };
  return oneAnswer<Readiness>({ timeoutMs, late, leave: letGo, signal }, (done) => {
    if (send !== undefined) socket.write(send);
    if (meets === undefined) return done(ready(`${name} accepts connections`));
    const left = () =>
      done(unexpected(`${name} has left after saying ${said()}`, { gist: "has left" }));
    socket.on("data", (bytes: Buffer) => {
      text += decoder.decode(bytes, { stream: true });
      if (meets(text)) done(ready(`${name} says what was expected`));
      else if (text.length > mostBytes)
        done(unexpected(`${name} goes on and on without what was expected`));
    });
    socket.once("end", left);
    socket.once("error", (error) => {
      const code = codeOf(error);
      done(unexpected(`${name} has left: ${causeInWords(error)}`, { code, gist: code }));
    });
    socket.once("close", left);
    socket.resume();
  });
}

import type { Socket } from "node:net";
import { causeInWords, codeOf } from "../errors.ts";
import { leave } from "./leave.ts";
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
  return new Promise((resolve, reject) => {
    let text = "";
    const decoder = new TextDecoder();
    const over = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", aborted);
      socket.off("data", take);
      leave(socket);
    };
    const done = (readiness: Readiness) => {
      over();
      resolve(readiness);
    };
    const aborted = () => {
      over();
      reject(signal.reason as Error);
    };
    const said = () => (text === "" ? "nothing" : quoted(text));
    const left = (how: string) => done(unexpected(`${name} ${how}`, { gist: how }));
    const take = (bytes: Buffer) => {
      text += decoder.decode(bytes, { stream: true });
      if (meets?.(text) === true) done(ready(`${name} says what was expected`));
      else if (text.length > mostBytes)
        done(unexpected(`${name} goes on and on without what was expected`));
    };
    const late = () => {
      if (text === "") done(silent(`${name} has said nothing`, timeoutMs));
      else done(unexpected(`${name} has said ${said()}`, { gist: "has said", late: true }));
    };
    const timer = setTimeout(late, timeoutMs);
    signal.addEventListener("abort", aborted);
    if (signal.aborted) return aborted();
    if (send !== undefined) socket.write(send);
    if (meets === undefined) return done(ready(`${name} accepts connections`));
    socket.on("data", take);
    socket.once("end", () => left(`has left after saying ${said()}`));
    socket.once("error", (error) => {
      const code = codeOf(error);
      done(unexpected(`${name} has left: ${causeInWords(error)}`, { code, gist: code }));
    });
    socket.once("close", () => left(`has left after saying ${said()}`));
    socket.resume();
  });
}

import { Socket } from "node:net";
import { codeOf } from "../errors.ts";
import { leave } from "./leave.ts";
import { isPassing, type Probe, reachedItself, type Verdict } from "./verdict.ts";

/** What each code of a failed connect(2) tells. */
const states = new Map<string, Verdict["state"]>([
  ["ECONNREFUSED", "closed"],
  // It was accepted, and ended by the service before we could look.
  ["ECONNRESET", "open"],
]);

/**
 * Asks a TCP port: connects, perhaps waits for what the service says first, and ends with a FIN.
 *
 * @param wantsBanner - wait for it for as long as for a connection
 * @param done - called once, when the socket is closed; with an Error where no answer could be had
 *   for want of descriptors or ports
 */
export function probeTcp(
  { address, port, timeoutMs }: Probe,
  wantsBanner: boolean,
  done: (verdict: Verdict | Error) => void,
): void {
  const socket = new Socket();
  let verdict: Verdict | Error = { state: "no answer", code: "ETIMEDOUT" };
  let timer = setTimeout(() => socket.destroy(), timeoutMs);
  const over = () => {
    clearTimeout(timer);
    leave(socket);
  };
  socket.on("connect", () => {
    if (reachedItself(socket)) {
      verdict = { state: "closed", code: "ECONNREFUSED" };
      return void socket.resetAndDestroy();
    }
    verdict = { state: "open" };
    if (!wantsBanner) return over();
    clearTimeout(timer);
    timer = setTimeout(over, timeoutMs);
    socket.once("data", (banner: Buffer) => {
      verdict = { state: "open", banner };
      over();
    });
    socket.once("end", over);
  });
  socket.on("error", (error) => {
    if (verdict instanceof Error || verdict.state === "open") return;
    const code = codeOf(error);
    if (isPassing(code)) verdict = error;
    else verdict = { state: states.get(code) ?? "no answer", code };
  });
  socket.on("close", () => {
    clearTimeout(timer);
    done(verdict);
  });
  socket.connect({ host: address, port });
}

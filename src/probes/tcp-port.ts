import { Socket } from "node:net";
import { codeOf } from "../errors.ts";
import type { Probe, Verdict } from "./verdict.ts";

/** How long the other side may take to close after us. */
const closeMs = 200;

/** What tells that a port, and not the way to it, has answered. */
const refusals = ["ECONNREFUSED", "ECONNRESET"];

/**
 * Asks a TCP port: connects, perhaps waits for what the service says first, and ends with a FIN.
 *
 * @param wantsBanner - wait for it for as long as for a connection
 * @param done - called once, when the socket is closed
 * @throws Error by way of `done` where no answer could be had for want of descriptors or ports
 */
export function probeTcp(
  { address, port, timeoutMs }: Probe,
  wantsBanner: boolean,
  done: (verdict: Verdict | Error) => void,
): void {
  const socket = new Socket();
  let verdict: Verdict | Error = { state: "no answer", code: "ETIMEDOUT" };
  let timer = setTimeout(() => socket.destroy(), timeoutMs);
  const leave = () => {
    clearTimeout(timer);
    timer = setTimeout(() => socket.destroy(), closeMs);
    socket.end();
    socket.resume();
  };
  socket.on("connect", () => {
    // The system may have given us the very port that we ask, and then we have reached ourselves.
    if (socket.localPort === port && socket.localAddress === socket.remoteAddress) {
      verdict = { state: "closed", code: "ECONNREFUSED" };
      return void socket.resetAndDestroy();
    }
    verdict = { state: "open" };
    if (!wantsBanner) return leave();
    clearTimeout(timer);
    timer = setTimeout(leave, timeoutMs);
    socket.once("data", (bytes: Buffer) => {
      verdict = { state: "open", banner: bytes };
      leave();
    });
    socket.once("end", leave);
  });
  socket.on("error", (error) => {
    if (verdict instanceof Error || verdict.state === "open") return;
    const code = codeOf(error);
    if (localFailures.includes(code)) verdict = error;
    else verdict = { state: refusals.includes(code) ? "closed" : "no answer", code };
  });
  socket.on("close", () => {
    clearTimeout(timer);
    done(verdict);
  });
  socket.connect({ host: address, port });
}

/** What says something of this machine, and nothing of the port. */
const localFailures = ["EMFILE", "ENFILE", "EADDRNOTAVAIL", "ENOBUFS", "ENOMEM", "EAGAIN"];

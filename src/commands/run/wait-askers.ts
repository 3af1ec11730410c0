import { hostOf } from "../../cli/http-url.ts";
import { familyOf } from "../../cli/options.ts";
import { hostOfTarget, type Target } from "../../cli/target.ts";
import { type Link, peerOf, type Secure } from "../../endpoints/connection.ts";
import { linkTcp } from "../../endpoints/tcp-connect.ts";
import { type Proxy, tunnelThrough, wayToProxy } from "../../endpoints/tunnel.ts";
import { linkUnix } from "../../endpoints/unix-connect.ts";
import { socketName } from "../../endpoints/unix.ts";
import { systemError } from "../../errors.ts";
import type { Emit } from "../../events.ts";
import { hearOut } from "../../probes/conversation.ts";
import { askFile } from "../../probes/file.ts";
import { leave } from "../../probes/leave.ts";
import { matching } from "../../probes/matching.ts";
import {
  type AskTarget,
  type Readiness,
  ready,
  unexpected,
  unreached,
} from "../../probes/readiness.ts";
import { reachedItself } from "../../probes/verdict.ts";
import { isIP } from "../../ip.ts";
import type { Context } from "../context.ts";
import type { WaitOptions } from "../wait.ts";
import { isForwarded, portOf } from "./http-connect.ts";

/** What was asked for, for all targets. */
export interface WaitSettings extends WaitOptions {
  /** Milliseconds that connecting may take, and then what is expected. */
  readonly connectMs: number;
  readonly answerMs: number;
  /** The value of User-Agent. */
  readonly agent: string;
  readonly throughProxy: Proxy | undefined;
}

/** How a target is asked. @throws PortcatError (exit code 2) for what cannot be used */
export async function askerOf(
  target: Target,
  settings: WaitSettings,
  context: Context,
): Promise<AskTarget> {
  const { wishes } = target;
  const expect = wishes.expect ?? settings.expect;
  const meets = expect === undefined ? undefined : matching(expect);
  if (target.kind === "file") return askFile(target.path, settings.stable > 1, meets);
  const send = wishes.send ?? settings.send;
  if (target.kind === "udp") {
    const { host, port } = target;
    const { askUdp } = await import("./wait-udp.ts");
    const named = { host, port, family: familyOf(settings, host) };
    return askUdp(named, settings.connectMs, { send, meets });
  }
  const reach = await reaching(target, settings, context);
  if (settings.down) return askLinked(target, settings, reach, hangUp);
  if (target.kind !== "http")
    return askLinked(target, settings, reach, ({ socket, ends }, patienceMs, signal) =>
      hearOut(socket, peerOf(ends), { send, meets }, patienceMs, signal),
    );
  const { askServer } = await import("./wait-http.ts");
  return askLinked(target, settings, reach, (link, patienceMs, signal) =>
    askServer(link, target, settings, meets, patienceMs, signal),
  );
}

/** What is reached over a stream. */
type StreamTarget = Exclude<Target, { kind: "file" | "udp" }>;
type Reach = (timeoutMs: number, signal: AbortSignal, emit: Emit) => Promise<Link>;
type AskLink = (link: Link, patienceMs: number, signal: AbortSignal) => Promise<Readiness>;

/** Whoever is to be gone is there. */
function hangUp({ socket, ends }: Link): Promise<Readiness> {
  leave(socket);
  return Promise.resolve(ready(`${peerOf(ends)} accepts connections`));
}

function askLinked(
  target: StreamTarget,
  { connectMs, answerMs, throughProxy }: WaitSettings,
  reach: Reach,
  ask: AskLink,
): AskTarget {
  return async (leftMs, signal) => {
    const begun = performance.now();
    let tried = false;
    const emit: Emit = ({ event }) => (tried ||= event === "trying");
    let link: Link;
    try {
      link = await reach(Math.min(connectMs, leftMs), signal, emit);
    } catch (error) {
      if (signal.aborted) throw error;
      const answer = unreached(error, isPlain(target));
      const late = answer.late === true;
      // The silence of a name server or a proxy says nothing of the target, and a UNIX socket is there.
      const there = answer.there || (late && (throughProxy !== undefined || !tried));
      return { answer: { ...answer, there }, cut: late && leftMs < connectMs };
    }
    link.socket.on("error", () => undefined);
    const stillLeftMs = Math.max(Math.round(leftMs - (performance.now() - begun)), 1);
    if (hasLeft(link)) {
      link.socket.destroy();
      const gist = "ECONNRESET";
      return { answer: unexpected("it has left at once", { code: gist, gist }), cut: false };
    }
    const answer = await ask(link, Math.min(answerMs, stillLeftMs), signal);
    return { answer, cut: answer.late === true && stillLeftMs < answerMs };
  };
}

/** A peer that has reset the connection is nowhere any more. */
const hasLeft = ({ ends }: Link) => ends.transport !== "unix" && ends.remote.address === "";

/** Whether there is one place where it can be, and that is what was typed. */
function isPlain(target: StreamTarget): boolean {
  const host = hostOfTarget(target);
  return host === undefined || isIP(host) !== 0;
}

/** How a target is connected to. @throws PortcatError (exit code 2) for what cannot be used */
async function reaching(
  target: StreamTarget,
  settings: WaitSettings,
  context: Context,
): Promise<Reach> {
  // Whoever only wants to know that nobody is there needs no TLS for it.
  const secure = settings.down ? undefined : await secureOf(target, settings, context);
  const withTls = secure && { secure };
  const path = target.kind === "http" ? target.socketPath : undefined;
  if (target.kind === "unix" || path !== undefined) {
    const place = { path: target.kind === "unix" ? target.path : (path ?? "") };
    socketName(place.path);
    return (timeoutMs, signal, emit) => linkUnix({ ...place, timeoutMs, ...withTls }, signal, emit);
  }
  const proxy = settings.throughProxy;
  // The proxy alone knows whether somebody is there, and tells it of a tunnel only.
  const forwarded = !settings.down && target.kind === "http" && isForwarded(target.url, proxy);
  const tunnel = proxy && (forwarded ? wayToProxy(proxy) : tunnelThrough(proxy));
  const { host, port } =
    target.kind === "http" ? { host: hostOf(target.url), port: portOf(target.url) } : target;
  const family = familyOf(settings, proxy?.host ?? host);
  const place = { host, port, family, noDelay: true, ...withTls, ...(tunnel && { tunnel }) };
  return async (timeoutMs, signal, emit) => {
    const link = await linkTcp({ ...place, timeoutMs }, signal, emit);
    if (proxy === undefined && reachedItself(link.lower)) {
      // Not with a FIN, after which the port would not be free for a while.
      link.lower.resetAndDestroy();
      throw systemError(`cannot connect to ${peerOf(link.ends)}`, { code: "ECONNREFUSED" });
    }
    return link;
  };
}

async function secureOf(
  target: StreamTarget,
  settings: WaitSettings,
  context: Context,
): Promise<Secure | undefined> {
  const isHttp = target.kind === "http";
  if (isHttp ? target.url.protocol !== "https:" : target.kind !== "tls") return undefined;
  const { clientTls } = await import("./tls.ts");
  const { ca, pin, insecure } = target.wishes;
  const flags = { ...(isHttp && { alpn: ["http/1.1"] }), ...settings };
  // Whom a target trusts is its own matter where it says so.
  if (ca !== undefined || pin !== undefined || insecure !== undefined)
    for (const each of ["ca", "pin", "insecure"] as const) delete flags[each];
  Object.assign(flags, target.wishes);
  // What --insecure finds wrong would be told at each attempt.
  return clientTls(flags, { ...context, emit: () => undefined });
}

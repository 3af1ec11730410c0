import type { Expectation } from "../../cli/expectation.ts";
import { hostOf } from "../../cli/http-url.ts";
import { familyOf } from "../../cli/options.ts";
import type { Target } from "../../cli/target.ts";
import { type Link, peerOf, type Secure } from "../../endpoints/connection.ts";
import { linkTcp } from "../../endpoints/tcp-connect.ts";
import { type Proxy, tunnelThrough, wayToProxy } from "../../endpoints/tunnel.ts";
import { linkUnix } from "../../endpoints/unix-connect.ts";
import { socketName } from "../../endpoints/unix.ts";
import { systemError } from "../../errors.ts";
import { hostPort } from "../../events.ts";
import { converse, type Talk } from "../../probes/conversation.ts";
import { fileAttempt } from "../../probes/file.ts";
import { leave } from "../../probes/leave.ts";
import { type Attempt, ready, unreached } from "../../probes/readiness.ts";
import type { Context } from "../context.ts";
import type { WaitOptions } from "../wait.ts";
import { isForwarded, portOf } from "./http-connect.ts";

/** What happens on the way to a target is told as its answer. */
const mute = () => undefined;

/** What targets have in common. */
export interface Manner extends WaitOptions {
  /** Milliseconds that connecting may take, and then what is expected. */
  readonly connectMs: number;
  readonly answerMs: number;
  /** The value of User-Agent. */
  readonly agent: string;
  readonly throughProxy: Proxy | undefined;
}

/** How a target is asked. @throws PortcatError (exit code 2) for what cannot be used */
export async function attemptOf(
  target: Target,
  manner: Manner,
  context: Context,
): Promise<Attempt> {
  const expect = target.wishes.expect ?? manner.expect;
  const meets = expect === undefined ? undefined : meeting(expect);
  if (target.kind === "file") return fileAttempt(target.path, manner.stable > 1, meets);
  const send = target.wishes.send ?? manner.send;
  if (target.kind === "udp") {
    const { host, port } = target;
    const { udpAttempt } = await import("./wait-udp.ts");
    const named = { host, port, family: familyOf(manner, host) };
    return udpAttempt(named, manner.connectMs, { send, meets });
  }
  return connectedAttempt(target, manner, { send, meets }, await reaching(target, manner, context));
}

function connectedAttempt(target: Connected, manner: Manner, talk: Talk, reach: Reach): Attempt {
  const { connectMs, answerMs, down } = manner;
  return async (leftMs, signal) => {
    const begun = performance.now();
    let link: Link;
    try {
      link = await reach(Math.min(connectMs, leftMs), signal);
    } catch (error) {
      if (signal.aborted) throw error;
      return unreached(error, placeOf(target));
    }
    const { socket, ends } = link;
    socket.on("error", () => undefined);
    const name = peerOf(ends);
    if (down) {
      leave(socket);
      return ready(`${name} accepts connections`);
    }
    const stillLeftMs = Math.max(Math.round(leftMs - (performance.now() - begun)), 1);
    const patienceMs = Math.min(answerMs, stillLeftMs);
    if (target.kind !== "http") return converse(socket, name, talk, patienceMs, signal);
    const { askServer } = await import("./wait-http.ts");
    return askServer(link, target, manner, talk.meets, patienceMs, signal);
  };
}

const meeting = (expect: Expectation) => (text: string) =>
  typeof expect === "string" ? text.includes(expect) : expect.test(text);

/** The place of a target as messages name it. */
function placeOf(target: Connected): string {
  if (target.kind === "unix") return target.path;
  if (target.kind !== "http") return hostPort(target.host, target.port);
  return target.socketPath ?? hostPort(hostOf(target.url), portOf(target.url));
}

type Connected = Exclude<Target, { kind: "file" | "udp" }>;
type Reach = (timeoutMs: number, signal: AbortSignal) => Promise<Link>;

/** How a target is connected to. @throws PortcatError (exit code 2) for what cannot be used */
async function reaching(target: Connected, manner: Manner, context: Context): Promise<Reach> {
  // Whoever only wants to know that nobody is there needs no TLS for it.
  const secure = manner.down ? undefined : await secureOf(target, manner, context);
  const withTls = secure && { secure };
  const path = target.kind === "http" ? target.socketPath : undefined;
  if (target.kind === "unix" || path !== undefined) {
    const place = { path: target.kind === "unix" ? target.path : (path ?? "") };
    socketName(place.path);
    return (timeoutMs, signal) => linkUnix({ ...place, timeoutMs, ...withTls }, signal, mute);
  }
  const proxy = manner.throughProxy;
  const forwarded = target.kind === "http" && isForwarded(target.url, proxy);
  const tunnel = proxy && (forwarded ? wayToProxy(proxy) : tunnelThrough(proxy));
  const { host, port } =
    target.kind === "http" ? { host: hostOf(target.url), port: portOf(target.url) } : target;
  const family = familyOf(manner, proxy?.host ?? host);
  const place = { host, port, family, noDelay: true, ...withTls, ...(tunnel && { tunnel }) };
  return async (timeoutMs, signal) => {
    const link = await linkTcp({ ...place, timeoutMs }, signal, mute);
    if (proxy === undefined && isOurself(link)) {
      // Not with a FIN, after which the port would not be free for a while.
      link.socket.resetAndDestroy();
      throw systemError(`cannot connect to ${peerOf(link.ends)}`, { code: "ECONNREFUSED" });
    }
    return link;
  };
}

/** The system may have given us the very port that we ask, and then we have reached ourselves. */
function isOurself({ ends }: Link): boolean {
  if (ends.transport === "unix") return false;
  const { local, remote } = ends;
  return local.port === remote.port && local.address === remote.address;
}

async function secureOf(
  target: Connected,
  manner: Manner,
  context: Context,
): Promise<Secure | undefined> {
  const isHttp = target.kind === "http";
  if (isHttp ? target.url.protocol !== "https:" : target.kind !== "tls") return undefined;
  const { clientTls } = await import("./tls.ts");
  const { ca, pin, servername, insecure } = target.wishes;
  const flags = {
    ...manner,
    ...(ca !== undefined && { ca }),
    ...(pin !== undefined && { pin }),
    ...(servername !== undefined && { servername }),
    ...(insecure !== undefined && { insecure }),
    ...(isHttp && { alpn: ["http/1.1"] }),
  };
  // What --insecure finds wrong would be told at each attempt.
  return clientTls(flags, { ...context, emit: mute });
}

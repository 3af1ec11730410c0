import { hostOf } from "../../cli/http-url.ts";
import { familyOf } from "../../cli/options.ts";
import type { Link, Secure, SecureLink } from "../../endpoints/connection.ts";
import { linkTcp } from "../../endpoints/tcp-connect.ts";
import { type Proxy, tunnelThrough, wayToProxy } from "../../endpoints/tunnel.ts";
import { linkUnix } from "../../endpoints/unix-connect.ts";
import type { Emit, TlsSession } from "../../events.ts";
import type { Context } from "../context.ts";
import type { HttpRequestOptions } from "../http-request.ts";
import { withRetries } from "./retries.ts";
import { socketOptionsOf } from "./session.ts";

/** A link, and how many milliseconds each part of it took. */
export interface Connected {
  readonly link: Link;
  readonly tls: TlsSession | undefined;
  readonly took: Took;
}

export interface Took {
  readonly resolve: number | null;
  readonly connect: number | null;
  readonly tls: number | null;
}

export const tenths = (milliseconds: number): number => Math.round(milliseconds * 10) / 10;

/**
 * Connects to the server of a URL, as often as asked for.
 *
 * @param secure - speaks TLS over it; undefined for http://
 * @throws PortcatError of the last try, or the reason of the signal
 */
export function connectTo(
  url: URL,
  secure: Secure | undefined,
  proxy: Proxy | undefined,
  options: HttpRequestOptions,
  context: Context,
): Promise<Connected> {
  return withRetries(() => connectOnce(url, secure, proxy, options, context), options, context);
}

/** Whether a request goes to the proxy itself, in whole, and not through a tunnel. */
export function isForwarded(url: URL, proxy: Proxy | undefined): proxy is Proxy {
  return proxy !== undefined && url.protocol === "http:" && proxy.protocol.startsWith("http");
}

/** What a request line asks for: of a proxy that it is handed to in whole, the whole URL (RFC 9112, section 3.2.2). */
export function requestTarget(url: URL, proxy: Proxy | undefined): string {
  return isForwarded(url, proxy) ? url.href : url.pathname + url.search;
}

async function connectOnce(
  url: URL,
  secure: Secure | undefined,
  proxy: Proxy | undefined,
  options: HttpRequestOptions,
  context: Context,
): Promise<Connected> {
  const begun = performance.now();
  let resolved: number | undefined;
  let dialed: number | undefined;
  const emit: Emit = (event) => {
    if (event.event === "resolved") resolved ??= performance.now();
    context.emit(event);
  };
  const timed: Secure | undefined =
    secure &&
    ((link, _, signal) => {
      dialed = performance.now();
      return secure(link, hostOf(url), signal);
    });
  const link = await linkTo(url, timed, proxy, options, context.signal, emit);
  const done = performance.now();
  return {
    link,
    tls: "session" in link ? link.session : undefined,
    took: {
      resolve: resolved === undefined ? null : tenths(resolved - begun),
      connect: tenths((dialed ?? done) - (resolved ?? begun)),
      tls: dialed === undefined ? null : tenths(done - dialed),
    },
  };
}

/** The one place where a connection is made. */
function linkTo(
  url: URL,
  secure: Secure | undefined,
  proxy: Proxy | undefined,
  options: HttpRequestOptions,
  signal: AbortSignal,
  emit: Emit,
): Promise<Link | SecureLink> {
  const { unix: path, connectTimeout: timeoutMs, source } = options;
  const limits = { timeoutMs, ...(secure && { secure }) };
  if (path !== undefined) return linkUnix({ path, ...limits }, signal, emit);
  const host = hostOf(url);
  const tunnel = proxy && (isForwarded(url, proxy) ? wayToProxy(proxy) : tunnelThrough(proxy));
  const target = {
    host,
    port: portOf(url),
    // The proxy is what is connected to.
    family: familyOf(options, proxy?.host ?? host, source),
    ...(tunnel && { tunnel }),
    ...(source && { source }),
    ...limits,
    // Small writes at once: a body does not wait for its head to arrive.
    ...socketOptionsOf(options),
  };
  return linkTcp(target, signal, emit);
}

export const portOf = ({ port, protocol }: URL): number =>
  port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);

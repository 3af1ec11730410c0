import type { TypedHeader } from "../../cli/http-header.ts";
import { hostOf } from "../../cli/http-url.ts";
import { familyOf } from "../../cli/options.ts";
import type { Secure } from "../../endpoints/connection.ts";
import { peerOf, placeOf } from "../../endpoints/connection.ts";
import type { HttpHead } from "../../endpoints/http-answer.ts";
import { exchange, type HeaderList } from "../../endpoints/http-client.ts";
import { bodyUnwanted } from "../../endpoints/http-client-failure.ts";
import { asText } from "../../endpoints/http-text.ts";
import { HttpLink } from "../../endpoints/http-link.ts";
import { redirected, type Redirectable, refused } from "../../endpoints/http-redirect.ts";
import { forwardingRefused } from "../../endpoints/http-proxy.ts";
import type { Proxy } from "../../endpoints/tunnel.ts";
import { checkSocketOptions } from "../../endpoints/socket-options.ts";
import { stdoutIsTerminal } from "../../endpoints/stdout.ts";
import { socketName } from "../../endpoints/unix.ts";
import { ExitCode, PortcatError } from "../../errors.ts";
import type { Sink } from "../../flow/chunk.ts";
import { DeferredSource } from "../../flow/deferred-source.ts";
import { LateSink } from "../../flow/late-sink.ts";
import { relay, type RelayRules } from "../../flow/relay.ts";
import { printable } from "../../flow/stages/printable.ts";
import type { Context } from "../context.ts";
import type { TlsClientFlags } from "../../cli/tls-options.ts";
import type { HttpRequestOptions } from "../http-request.ts";
import { type Body, bodyOf, noSource } from "./http-body.ts";
import { connectTo, isForwarded, requestTarget, type Took, tenths } from "./http-connect.ts";
import { headersOf } from "./http-headers.ts";
import { limitRun, socketOptionsOf, stdoutFor } from "./session.ts";

/** What was typed, with what follows from it. */
export interface Typed {
  readonly url: URL;
  readonly authorization: string | undefined;
  readonly headers: readonly TypedHeader[];
  readonly method: string | undefined;
  /** The value of User-Agent. */
  readonly agent: string;
}

const mostRedirects = 10;
/** How long a server may keep us waiting for its 100 Continue (RFC 9110, section 10.1.1). */
const continueMs = 1000;
/**
 * Methods whose request may be sent again when a connection that was left open has closed meanwhile.
 * Others have a new one, for nobody knows whether they were heard (RFC 9112, section 9.3.1).
 */
const idempotent: readonly string[] = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"];

/** Sends a request, and those that its redirects lead to, and writes the body of the answer to stdout. */
export async function runHttpRequest(
  typed: Typed,
  options: HttpRequestOptions,
  context: Context,
): Promise<void> {
  checkSocketOptions(socketOptionsOf(options));
  if (options.unix !== undefined) socketName(options.unix);
  const secure = await secureFor(typed.url, options, context);
  const proxy =
    options.proxy &&
    (await (await import("./proxy.ts")).proxyOf(options.proxy, options.proxyCa, context));
  const body = options.data === undefined ? undefined : bodyOf(options.data);
  limitRun(options.timeout, context);
  const run = new Run(typed.agent, body, secure, proxy, options, context);
  let next: Redirectable | undefined = {
    ...typed,
    method: typed.method ?? (body === undefined ? "GET" : "POST"),
    keepsBody: body !== undefined,
  };
  let failure: PortcatError | undefined;
  try {
    for (let count = 0; next !== undefined; count++) {
      if (count > mostRedirects) {
        run.leave("end");
        throw refused(`to ${next.url.href} after ${String(mostRedirects)} others`);
      }
      next = await run.ask(next);
    }
  } catch (error) {
    if (error instanceof PortcatError) failure = error;
    throw error;
  } finally {
    run.leave(failure?.code ?? "end");
  }
}

/** What speaks TLS; made at once where it is needed, or told about, so that what is wrong with it is known first. */
async function secureFor(
  url: URL,
  options: HttpRequestOptions,
  context: Context,
): Promise<SecureFor> {
  const { ca, cert, pin, ciphers } = options;
  const everywhere = { ...options };
  for (const flag of ["servername", "pin", "cert", "key"] as const)
    Reflect.deleteProperty(everywhere, flag);
  let here: Secure | undefined;
  let elsewhere: Secure | undefined;
  const make = async (flags: TlsClientFlags) =>
    (await import("./tls.ts")).clientTls({ alpn: ["http/1.1"], ...flags }, context);
  const told = [ca, cert, pin, ciphers].some((each) => each !== undefined);
  if (url.protocol === "https:" || told) here = await make(options);
  return async ({ origin }) =>
    origin === url.origin ? (here ??= await make(options)) : (elsewhere ??= await make(everywhere));
}

/** What speaks TLS with the server of a URL. The name, pin and certificate typed are for that of the URL typed. */
type SecureFor = (url: URL) => Promise<Secure>;

/** One request and its answer, so far. */
interface Course {
  head?: HttpHead;
  headAt?: number;
  next?: Redirectable | undefined;
  refusal?: PortcatError;
}

class Run {
  readonly #agent: string;
  readonly #body: Body | undefined;
  readonly #secure: SecureFor;
  readonly #proxy: Proxy | undefined;
  readonly #options: HttpRequestOptions;
  readonly #context: Context;
  readonly #stdout: Sink;
  #link: HttpLink | undefined;
  #origin = "";
  #links = 0;

  constructor(
    agent: string,
    body: Body | undefined,
    secure: SecureFor,
    proxy: Proxy | undefined,
    options: HttpRequestOptions,
    context: Context,
  ) {
    this.#agent = agent;
    this.#body = body;
    this.#secure = secure;
    this.#proxy = proxy;
    this.#options = options;
    this.#context = context;
    this.#stdout = stdoutFor({}, context) as Sink;
  }

  /** Sends a request. @returns the one that its answer leads to, if it does. @throws PortcatError */
  async ask(asked: Redirectable): Promise<Redirectable | undefined> {
    const body = asked.keepsBody ? this.#body : undefined;
    const { link, took, used } = await this.#linkFor(asked);
    const course: Course = {};
    const begun = performance.now();
    const { failure, complete, sent } = await this.#exchange(link, asked, body, course);
    const { head, next, refusal } = course;
    const mayRepeat = idempotent.includes(asked.method) && (body?.repeatable ?? true);
    if (used && head === undefined && failure?.exitCode === ExitCode.broken && mayRepeat) {
      this.leave("end");
      return this.ask(asked);
    }
    this.#tellTiming(link, took, begun, course);
    const undelivered = complete && failure?.exitCode === ExitCode.broken;
    if (failure !== undefined && !undelivered) throw failure;
    if (head === undefined) throw new Error("neither an answer nor a failure");
    if (next !== undefined) return next;
    const { at } = placeOf(link.link.ends);
    if (head.status === 407 && isForwarded(asked.url, this.#proxy)) {
      this.leave("end");
      throw forwardingRefused(this.#proxy, head.headers);
    }
    const isDenied = this.#options.fail && head.status >= 400;
    const unwelcome = refusal ?? (isDenied ? denied(asked.url, head, at) : undefined);
    if (unwelcome !== undefined) {
      this.leave("end");
      throw unwelcome;
    }
    if (undelivered) throw bodyUnwanted(placeOf(link.link.ends), head.status, sent);
    return undefined;
  }

  leave(reason: string): void {
    const link = this.#link;
    if (link === undefined) return;
    this.#link = undefined;
    link.close();
    const { id, received, sent, begun } = link;
    this.#context.emit({
      event: "closed",
      id,
      peer: peerOf(link.link.ends),
      received,
      sent,
      duration: Math.round(performance.now() - begun),
      reason,
    });
  }

  /** The link there is, where it leads there and is free, or a new one. */
  async #linkFor({
    url,
    method,
  }: Redirectable): Promise<{ link: HttpLink; took: Took; used: boolean }> {
    // Node lets go of a connection a turn after the answer.
    if (this.#link !== undefined) await new Promise((resolve) => setImmediate(resolve));
    const mayReuse = idempotent.includes(method) && this.#origin === url.origin;
    if (this.#link?.reusable === true && mayReuse)
      return { link: this.#link, took: { resolve: null, connect: null, tls: null }, used: true };
    this.leave("end");
    const secure = url.protocol === "https:" ? await this.#secure(url) : undefined;
    const { link, tls, took } = await connectTo(
      url,
      secure,
      this.#proxy,
      this.#options,
      this.#context,
    );
    const id = ++this.#links;
    this.#link = new HttpLink(id, link);
    this.#origin = url.origin;
    this.#context.emit({ event: "connected", id, ...link.ends, ...(tls && { tls }) });
    return { link: this.#link, took, used: false };
  }

  async #exchange(link: HttpLink, asked: Redirectable, body: Body | undefined, course: Course) {
    const { emit } = this.#context;
    const headers = headersOf(asked, body, this.#agent, this.#proxy);
    const expects = headers.some(([name, value]) => /^expect$/i.test(name) && /^100-/.test(value));
    const source = new DeferredSource(body?.open() ?? noSource);
    if (!expects || body === undefined) source.begin();
    const waited = setTimeout(() => source.begin(), continueMs);
    const peer = peerOf(link.link.ends);
    const tell = ({ status, version, ...head }: HttpHead) => {
      const reason = asText(head.reason);
      const headers = head.headers.map(([name, value]): [string, string] => [name, asText(value)]);
      emit({ event: "response", id: link.id, peer, status, reason, headers, version });
    };
    const answering = exchange(
      link,
      {
        method: asked.method,
        target: requestTarget(asked.url, this.#proxy),
        headers,
        headFirst: body !== undefined && body.bytes === undefined,
      },
      {
        informed: (head) => {
          tell(head);
          if (head.status === 100) source.begin();
        },
        answered: (head) => {
          if (head.status >= 300) clearTimeout(waited);
          course.head = head;
          course.headAt = performance.now();
          tell(head);
          this.#decide(link, asked, course);
          if (course.next !== undefined || course.refusal !== undefined) return "discard";
          return this.#options.include ? headBytes(head) : Buffer.alloc(0);
        },
      },
    );
    const local = { source, sink: new LateSink(this.#stdout) };
    const outcome = await relay(local, answering, this.#rules());
    clearTimeout(waited);
    return { ...outcome, complete: answering.complete };
  }

  /** Where an answer leads. */
  #decide(link: HttpLink, asked: Redirectable, course: Course): void {
    const { head } = course;
    if (head === undefined || !this.#options.follow) return;
    try {
      const next = redirected(asked, head);
      if (next === undefined) return;
      if (this.#options.unix !== undefined && next.url.origin !== asked.url.origin)
        throw refused(`to ${next.url.href}, which is not at --unix`);
      this.#checkFamily(next.url);
      if (next.keepsBody && this.#body?.repeatable === false)
        throw refused(`to ${next.url.href}, for the body is a stream, which cannot be sent twice`);
      course.next = next;
      const { method, url } = next;
      const { id } = link;
      this.#context.emit({ event: "redirect", id, status: head.status, method, url: url.href });
    } catch (error) {
      if (!(error instanceof PortcatError)) throw error;
      course.refusal = error;
    }
  }

  /** @throws PortcatError where the family that was asked for keeps us from going there */
  #checkFamily(url: URL): void {
    if (this.#proxy !== undefined || this.#options.unix !== undefined) return;
    try {
      familyOf(this.#options, hostOf(url), this.#options.source);
    } catch (error) {
      throw refused(`to ${url.href}: ${(error as Error).message}`);
    }
  }

  #rules(): RelayRules {
    const { idleTimeout = 0, raw } = this.#options;
    return {
      halfClose: true,
      // A server that answers before it has the whole body still gets the rest.
      allowHalfOpen: true,
      lingerMs: 0,
      idleTimeoutMs: idleTimeout,
      outbound: [],
      inbound: stdoutIsTerminal() && !raw ? [printable] : [],
      signal: this.#context.signal,
    };
  }

  #tellTiming(link: HttpLink, took: Took, begun: number, { headAt }: Course): void {
    const { resolve, connect, tls } = took;
    const total = (resolve ?? 0) + (connect ?? 0) + (tls ?? 0) + performance.now() - begun;
    this.#context.emit({
      event: "timing",
      id: link.id,
      ...took,
      firstByte: headAt === undefined ? null : tenths(headAt - begun),
      total: tenths(total),
    });
  }
}

/** A head as it came. */
function headBytes({ version, status, reason, headers }: HttpHead): Buffer {
  const line = `HTTP/${version} ${String(status)} ${reason}\r\n`;
  return Buffer.from(`${line}${fieldsInText(headers)}\r\n`, "latin1");
}

function fieldsInText(headers: HeaderList): string {
  return headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
}

function denied(
  url: URL,
  { status, reason }: HttpHead,
  at: { address: string; port?: number },
): PortcatError {
  const answer = `${String(status)} ${asText(reason)}`.trim();
  return new PortcatError(`${url.origin}${url.pathname} answered ${answer} (ESTATUS)`, {
    exitCode: ExitCode.denied,
    code: "ESTATUS",
    ...at,
  });
}

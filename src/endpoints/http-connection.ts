import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { PortcatError, systemError } from "../errors.ts";
import type { Emit, Ends } from "../events.ts";
import type { BodyWriter } from "../flow/body-writer.ts";
import type { IdleWatch } from "../flow/idle-watch.ts";
import { type Place, placeOf } from "./connection.ts";
import { type BodyProgress, receiveBody } from "./http-body.ts";
import { answered, clientFailure, unanswered, undelivered } from "./http-server-failure.ts";
import { incompleteOf, watchIdle } from "./http-idle.ts";
import { refuse } from "./http-refusal.ts";
import { type AnswerHead, answerShortly, type CountedResponse, headOf } from "./http-response.ts";
import { asText, headerPairs } from "./http-text.ts";

/** How requests are answered. */
export interface Answer {
  /** Of a request's body, how many bytes the answer is made of. */
  readonly bodyBytes: number;
  /**
   * Answers. May return before all has been sent, and throw what went wrong on our side.
   *
   * @param body - all of it; undefined where it is larger than `bodyBytes`
   */
  send(
    request: IncomingMessage,
    response: CountedResponse,
    body: Buffer | undefined,
  ): void | Promise<void>;
}

export interface HttpRules {
  readonly answer: Answer;
  /** Between a request and its answer. */
  readonly delayMs: number;
  /** Silence that is a failure; 0 for none. */
  readonly idleTimeoutMs: number;
  /** A connection is closed with the answer to its first request. */
  readonly once: boolean;
  readonly bodies: BodyWriter;
  readonly emit: Emit;
}

/** What becomes of one connection. */
export interface HttpClient {
  readonly id: number;
  readonly ends: Ends;
  /** The socket of the system, where there is TLS above it. */
  readonly lower: Socket;
  /** A request is there, or what should have been one. @returns whether it is to be taken */
  readonly asked: () => boolean;
  /** Something went wrong; the connection may live on. */
  readonly failed: (failure: PortcatError) => void;
}

/** A request, from its headers to the end of its answer. */
interface Exchange extends BodyProgress {
  readonly name: string;
  readonly begun: number;
  readonly gone: AbortController;
  answering: boolean;
  /** Its failure has been told. */
  told: boolean;
  /** What ended its body too early. */
  broke?: unknown;
  done: Promise<void>;
}

/** Of requests that a client sends without waiting for answers, how many are looked at together. */
const mostActive = 100;

/** One client's connection, as Node's parser and server see it. */
export class HttpConnection {
  /** Bytes of the bodies of all requests, and of all answers. */
  received = 0;
  sent = 0;
  /** Resolves once the socket is closed and what came through it is written, with why: "end", or a code. */
  readonly over: Promise<string>;
  readonly #socket: Socket;
  readonly #client: HttpClient;
  readonly #rules: HttpRules;
  readonly #place: Place;
  readonly #open = new Set<Exchange>();
  readonly #idle: IdleWatch | undefined;
  /** Requests that wait for earlier ones, whose client is not read meanwhile. */
  readonly #queue: (() => void)[] = [];
  #active = 0;
  /** Resolves once the body of the request before is written. */
  #bodyBefore: Promise<unknown> = Promise.resolve();
  #requests = 0;
  #readBefore = 0;
  /** No further request is taken. */
  #last = false;
  #refused = false;
  #reason = "end";
  /** We closed it, for a reason that is told elsewhere. */
  #closed = false;

  constructor(socket: Socket, client: HttpClient, rules: HttpRules) {
    this.#socket = socket;
    this.#client = client;
    this.#rules = rules;
    this.#place = placeOf(client.ends);
    this.#idle = rules.idleTimeoutMs > 0 ? this.#watch(rules.idleTimeoutMs) : undefined;
    // Node's server tells of errors as long as it serves the socket, and does not after CONNECT.
    socket.on("error", () => undefined);
    this.over = new Promise((resolve, reject) => {
      socket.once("close", () => {
        this.#idle?.stop();
        const open = [...this.#open];
        for (const { gone } of open) gone.abort();
        for (const begin of this.#queue.splice(0)) begin();
        Promise.all(open.map(({ done }) => done)).then(() => resolve(this.#reason), reject);
      });
    });
  }

  /** Takes a request. @param refusal - the status to answer at once, before any body */
  take(request: IncomingMessage, response: CountedResponse, refusal?: number): void {
    if (!this.#takes()) return;
    const exchange = this.#begin(request);
    exchange.done = this.#exchange(exchange, response, refusal).finally(() => {
      this.#open.delete(exchange);
      this.#readBefore = this.#client.lower.bytesRead;
      this.#next();
    });
  }

  /** Resolves when it is a request's turn. */
  #turn(): Promise<void> {
    if (this.#active < mostActive) {
      this.#active++;
      return Promise.resolve();
    }
    // Later, for Node resumes it at the end of every request.
    setImmediate(() => {
      if (this.#queue.length > 0) this.#socket.pause();
    });
    return new Promise((resolve) => this.#queue.push(resolve));
  }

  #next(): void {
    const begin = this.#queue.shift();
    if (begin !== undefined) return begin();
    this.#active--;
    if (this.#active === mostActive - 1 && !this.#socket.destroyed) this.#socket.resume();
  }

  /** Takes a request for a tunnel, which Node leaves to us: there is none. */
  refuseTunnel(request: IncomingMessage): void {
    // Node reads no more, and the client's end would go unseen.
    if (!this.#takes()) return void this.#socket.resume();
    const exchange = this.#begin(request);
    exchange.done = this.#refuse(405, [["Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"]])
      .then((refusal) => (refusal ? this.#tell(exchange, refusal, 0) : this.#leftEarly(exchange)))
      .finally(() => this.#open.delete(exchange));
  }

  /** Takes what Node's server calls a client error: bytes that are no HTTP, or a connection that broke. */
  broken(error: unknown): void {
    if (this.#refused || this.#closed) return;
    if (error instanceof PortcatError) return this.#answerBroke(error);
    const incomplete = incompleteOf(this.#open);
    const failure = this.#failureOf(error, incomplete);
    if (failure.status === undefined) this.#lost(error, failure, incomplete);
    // What comes behind the last request is nobody's business.
    else if (incomplete !== undefined || !this.#last) this.#refuseAll(failure, incomplete);
  }

  /** Closes it at once, for a reason of ours. */
  close(reason: string): void {
    this.#closed = true;
    this.#reason = reason;
    this.#socket.destroy();
  }

  #takes(): boolean {
    return !this.#last && !this.#closed && this.#client.asked();
  }

  #begin(request: IncomingMessage): Exchange {
    const { method = "", url = "", httpVersion, rawHeaders } = request;
    const { emit, once } = this.#rules;
    const exchange: Exchange = {
      name: `${method} ${asText(url)}`,
      request,
      begun: performance.now(),
      gone: new AbortController(),
      received: 0,
      waits: false,
      answering: false,
      told: false,
      done: Promise.resolve(),
    };
    this.#requests++;
    this.#last = once;
    this.#open.add(exchange);
    emit({
      event: "request",
      id: this.#client.id,
      peer: this.#place.name,
      method,
      target: asText(url),
      version: httpVersion,
      headers: headerPairs(rawHeaders),
    });
    return exchange;
  }

  async #exchange(
    exchange: Exchange,
    response: CountedResponse,
    refusal: number | undefined,
  ): Promise<void> {
    const { request, gone } = exchange;
    const { answer, bodies, delayMs, once } = this.#rules;
    let finished = false;
    // Before Node's own, which may close the socket.
    response.prependListener("finish", () => (finished = !this.#socket.destroyed));
    const closed = new Promise<void>((resolve) => {
      response.once("close", resolve);
      gone.signal.addEventListener("abort", () => resolve());
    });
    await this.#turn();
    let body: Buffer | undefined;
    if (refusal === undefined) {
      const receiving = this.#bodyBefore.then(() =>
        receiveBody(exchange, bodies, answer.bodyBytes),
      );
      this.#bodyBefore = receiving.catch(() => undefined);
      const received = await receiving;
      this.received += exchange.received;
      if (!request.complete) return this.#bodyBroke(exchange);
      // stdout has failed, which ends the run: what is not kept is not answered.
      if (!received.written) return;
      body = received.bytes;
    }
    if (delayMs > 0) {
      exchange.waits = true;
      await sleep(delayMs, undefined, { signal: gone.signal }).catch(() => undefined);
      exchange.waits = false;
    }
    if (this.#socket.destroyed) return this.#leftEarly(exchange);
    exchange.answering = true;
    const noHost = request.httpVersion === "1.1" && request.headers.host === undefined;
    const status = refusal ?? (noHost ? 400 : undefined);
    try {
      if (once || status !== undefined) response.setHeader("Connection", "close");
      if (status === undefined) await answer.send(request, response, body);
      else
        answerShortly(response, status, noHost ? "no Host header" : (STATUS_CODES[status] ?? ""));
    } catch (error) {
      this.#cannotAnswer(exchange, response, error);
    }
    await closed;
    const waiting = finished ? 0 : response.writableLength + this.#socket.writableLength;
    const sent = Math.max(0, response.bodyBytes - waiting);
    this.sent += sent;
    if (finished) this.#tell(exchange, headOf(response), sent);
    else if (!exchange.told && !this.#closed)
      this.#fail(undelivered(this.#place, exchange.name, sent));
  }

  #bodyBroke(exchange: Exchange): void {
    if (exchange.told || this.#closed) return;
    this.#fail(this.#failureOf(exchange.broke ?? new Error("it was closed"), exchange));
  }

  #leftEarly(exchange: Exchange): void {
    if (exchange.told || this.#closed) return;
    this.#fail(undelivered(this.#place, exchange.name, 0));
  }

  #cannotAnswer(exchange: Exchange, response: CountedResponse, error: unknown): void {
    // The client left: that is told once the socket is closed.
    if (this.#socket.destroyed && !(error instanceof PortcatError)) return;
    const status = response.headersSent ? undefined : 500;
    const failure = systemError(`cannot answer ${exchange.name}`, error);
    this.#fail(new PortcatError(failure.message, { ...failure, status, cause: error }));
    if (status !== undefined) return answerShortly(response, status, "Internal Server Error");
    exchange.told = true;
    this.#socket.destroy();
  }

  #tell(exchange: Exchange, { status, reason, headers }: AnswerHead, sent: number): void {
    this.#rules.emit({
      event: "response",
      id: this.#client.id,
      peer: this.#place.name,
      status,
      reason,
      headers,
      received: exchange.received,
      sent,
      duration: Math.round(performance.now() - exchange.begun),
    });
  }

  #fail(failure: PortcatError): void {
    if (this.#reason === "end") this.#reason = failure.code ?? "end";
    this.#client.failed(failure);
  }

  #failureOf(error: unknown, exchange: Exchange | undefined): PortcatError {
    return clientFailure(this.#place, error, exchange?.name, exchange?.received ?? 0);
  }

  /** An answer of ours broke off. */
  #answerBroke(failure: PortcatError): void {
    const exchange = [...this.#open].find(({ answering }) => answering);
    if (exchange !== undefined) exchange.told = true;
    this.#fail(failure);
  }

  /** There is nobody to be told anything any more. */
  #lost(error: unknown, failure: PortcatError, incomplete: Exchange | undefined): void {
    // Told there, with what has come and gone by then.
    if (incomplete !== undefined) incomplete.broke = error;
    else if (this.#open.size === 0) this.#fail(failure);
    this.#socket.destroy();
  }

  #refuseAll(failure: PortcatError, incomplete: Exchange | undefined): void {
    const { status = 400 } = failure;
    if (incomplete !== undefined) incomplete.told = true;
    else if (!this.#client.asked()) return;
    void this.#refuse(status).then((refusal) => {
      this.#fail(refusal ? answered(failure, status) : unanswered(failure));
      if (refusal && incomplete !== undefined) this.#tell(incomplete, refusal, 0);
    });
  }

  /**
   * Answers past Node, which has given up on this client, once all earlier answers are sent.
   *
   * @returns undefined where it could not: an earlier answer, or the client, may have closed
   */
  async #refuse(status: number, headers?: AnswerHead["headers"]): Promise<AnswerHead | undefined> {
    this.#refused = true;
    this.#last = true;
    this.#idle?.stop();
    const earlier = [...this.#open].filter(({ told, request }) => request.complete && !told);
    await Promise.all(earlier.map(({ done }) => done));
    return refuse(this.#socket, status, headers);
  }

  #watch(timeoutMs: number): IdleWatch {
    const { lower, ends } = this.#client;
    const watched = {
      ends,
      lower,
      open: this.#open,
      requests: () => this.#requests,
      mayRest: () => this.#mayRest(),
    };
    return watchIdle<Exchange>(timeoutMs, watched, {
      rested: () => void this.#socket.destroy(),
      unsaid: (failure, incomplete) => this.#refuseAll(failure, incomplete),
      untaken: (failure) => {
        for (const exchange of this.#open) exchange.told = true;
        this.#fail(failure);
        this.#socket.destroy();
      },
    });
  }

  /** Between two requests, and with --once before the first byte of one. */
  #mayRest(): boolean {
    if (this.#requests === 0) return this.#rules.once && this.#socket.bytesRead === 0;
    return this.#client.lower.bytesRead === this.#readBefore;
  }
}

import type { Socket } from "node:net";
import { peerOf } from "../../endpoints/connection.ts";
import type { HttpServer } from "../../endpoints/http-server.ts";
import type { OnAccepted } from "../../endpoints/listener.ts";
import { errorEvent, PortcatError } from "../../errors.ts";
import type { Ends } from "../../events.ts";
import type { Context } from "../context.ts";
import type { HttpListenerOptions } from "../http-listen.ts";
import { admission } from "./admission.ts";
import { handshake } from "./session.ts";
import type { ListenerTls } from "./tls.ts";

/** The clients of a listener, each from its handshake to its `closed` event. */
export class HttpSessions {
  /** Resolves once the client whose end is that of the run has ended, with what went wrong first. */
  readonly chosenOver: Promise<PortcatError | undefined>;
  readonly #server: HttpServer;
  readonly #options: HttpListenerOptions;
  readonly #context: Context;
  readonly #tls: ListenerTls | undefined;
  readonly #stopListening: () => void;
  readonly #admits: ReturnType<typeof admission>;
  readonly #running = new Set<Promise<void>>();
  /** How to close each client. */
  readonly #closers = new Map<number, () => void>();
  #lastId = 0;
  #chosen: number | undefined;
  #chosenIsOver: (failure: PortcatError | undefined) => void = () => undefined;

  constructor(
    server: HttpServer,
    options: HttpListenerOptions,
    context: Context,
    tls: ListenerTls | undefined,
    stopListening: () => void,
  ) {
    this.#server = server;
    this.#options = options;
    this.#context = context;
    this.#tls = tls;
    this.#stopListening = stopListening;
    this.#admits = admission(options.maxConnections, context);
    this.chosenOver = new Promise((resolve) => (this.#chosenIsOver = resolve));
  }

  readonly take: OnAccepted = (accepted, ends) => {
    // The system may have one more ready by the time we stop listening.
    if (this.#chosen !== undefined || !this.#admits(ends, this.#running.size))
      return void accepted.destroy();
    const id = ++this.#lastId;
    if (!this.#options.once) this.#choose(id);
    this.#closers.set(id, () => accepted.destroy());
    const session = this.#serve(accepted, ends, id).then((failure) => {
      this.#running.delete(session);
      this.#closers.delete(id);
      if (id === this.#chosen) this.#chosenIsOver(failure);
    });
    this.#running.add(session);
  };

  /** Resolves once every client is closed, and what it sent is written. */
  async over(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Makes the end of this client that of the run, unless another's is, and closes all others. */
  #choose(id: number): void {
    if (this.#options.keepOpen || this.#chosen !== undefined) return;
    this.#chosen = id;
    this.#stopListening();
    for (const [other, close] of this.#closers) if (other !== id) close();
  }

  #isPassedOver(id: number): boolean {
    return this.#chosen !== undefined && this.#chosen !== id;
  }

  /** Serves a client to its end. @returns what went wrong first, where the run's end is to tell it */
  async #serve(accepted: Socket, ends: Ends, id: number): Promise<PortcatError | undefined> {
    let failure: PortcatError | undefined;
    const failed = (error: PortcatError) => {
      if (this.#context.signal.aborted || this.#isPassedOver(id)) return;
      if (id === this.#chosen && failure === undefined) failure = error;
      else this.#context.emit({ ...errorEvent(error), id });
    };
    const over = this.#tls?.accept(accepted, ends);
    let session;
    try {
      const secure = over && { ...over, close: () => over.secure.destroy() };
      session = secure && (await handshake(secure, this.#context));
    } catch (error) {
      if (!(error instanceof PortcatError)) throw error;
      failed(error);
      return failure;
    }
    if (this.#isPassedOver(id)) accepted.destroy();
    else {
      this.#context.emit({ event: "connected", id, ...ends, ...(session && { tls: session }) });
      await this.#speak(over?.secure ?? accepted, accepted, ends, id, failed);
    }
    return failure;
  }

  /** Lets the server speak with a client, up to its `closed` event. */
  async #speak(
    socket: Socket,
    lower: Socket,
    ends: Ends,
    id: number,
    failed: (failure: PortcatError) => void,
  ): Promise<void> {
    const begun = performance.now();
    const asked = () => {
      if (this.#options.once) this.#choose(id);
      return !this.#isPassedOver(id);
    };
    const connection = this.#server.serve(socket, { id, ends, lower, asked, failed });
    this.#closers.set(id, () => connection.close("end"));
    const reason = await connection.over;
    this.#context.emit({
      event: "closed",
      id,
      peer: peerOf(ends),
      received: connection.received,
      sent: connection.sent,
      duration: Math.round(performance.now() - begun),
      reason,
    });
  }
}

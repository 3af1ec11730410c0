import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { PortcatError } from "../errors.ts";
import type { Receiver, Source } from "../flow/chunk.ts";
import { StreamSource } from "../flow/stream-source.ts";
import type { Place } from "./connection.ts";
import { brokenOff, switchedProtocols, unanswered } from "./http-client-failure.ts";

/** The status line and the headers of an answer, as the server wrote them. */
export interface HttpHead {
  readonly status: number;
  readonly reason: string;
  /** "1.1" */
  readonly version: string;
  readonly headers: [name: string, value: string][];
}

export interface Listener {
  /** An answer before the answer (1xx). */
  readonly informed: (head: HttpHead) => void;
  /** @returns what is to be handed out before the body, or "discard" where the body is not wanted either */
  readonly answered: (head: HttpHead) => Buffer | "discard";
}

/** Node's own limit is 16 KiB, which some answers of real servers exceed. */
export const mostHeadBytes = 256 * 1024;
/** How much of a body that nobody wants is read, and for how long, to keep the connection. */
const mostDiscarded = 64 * 1024;
const discardMs = 1000;

/** Reads the answer once it is there. */
export class Answer implements Source {
  readonly nature = "stream";
  /** Bytes of the body. */
  received = 0;
  arrived = 0;
  complete = false;
  onEnd: (head: HttpHead) => void = () => undefined;
  readonly #outgoing: ClientRequest;
  readonly #socket: Socket;
  readonly #place: Place;
  readonly #listener: Listener;
  #response: IncomingMessage | undefined;
  #body: StreamSource | undefined;
  #failed: ((error: unknown) => void) | undefined;
  /** Ends a body that nobody wants. */
  #leave: (() => void) | undefined;

  constructor(outgoing: ClientRequest, socket: Socket, place: Place, listener: Listener) {
    this.#outgoing = outgoing;
    this.#socket = socket;
    this.#place = place;
    this.#listener = listener;
    outgoing.on("error", (error) => {
      // Of an answer that is whole, something behind it: its end is still to come.
      if (this.#response?.complete) return;
      // What came in one piece with what is wrong would be lost.
      this.#response?.read();
      this.#fail(error);
    });
  }

  get lent(): number {
    return this.#body?.lent ?? 0;
  }

  start(to: Receiver, failed: (error: unknown) => void): void {
    this.#failed = failed;
    this.#outgoing.on("information", (info) => {
      this.arrived++;
      this.#listener.informed({
        status: info.statusCode,
        reason: info.statusMessage,
        version: info.httpVersion,
        headers: pairs(info.rawHeaders),
      });
    });
    this.#outgoing.on("upgrade", (response) => {
      this.#over(switchedProtocols(this.#place, response.headers.upgrade ?? ""));
    });
    this.#outgoing.on("response", (response) => this.#answered(response, to));
    this.#outgoing.on("close", () => {
      if (this.#response === undefined) this.#fail(undefined);
    });
  }

  stop(): void {
    this.#failed = undefined;
    this.#body?.stop();
  }

  #answered(response: IncomingMessage, to: Receiver): void {
    this.#response = response;
    this.arrived++;
    if (this.#failed === undefined) return void response.resume();
    // Without the headers of an upgrade, which Node tells apart.
    if (response.statusCode === 101) return this.#over(switchedProtocols(this.#place, ""));
    const head: HttpHead = {
      status: response.statusCode ?? 0,
      reason: response.statusMessage ?? "",
      version: response.httpVersion,
      headers: pairs(response.rawHeaders),
    };
    const before = this.#listener.answered(head);
    const end = () => {
      if (this.#failed === undefined) return;
      this.#failed = undefined;
      this.complete = response.complete;
      to.end();
      this.onEnd(head);
    };
    response.on("error", (error) => this.#fail(error));
    if (before === "discard") return this.#discard(response, end);
    if (before.length > 0) to.write({ bytes: before, release: () => undefined });
    this.#body = new StreamSource(response, "stream");
    this.#body.start(
      {
        write: (chunk) => {
          this.received += chunk.bytes.length;
          to.write(chunk);
        },
        end,
      },
      (error) => this.#fail(error),
    );
  }

  /** Reads a body that nobody wants, if it is short. */
  #discard(response: IncomingMessage, end: () => void): void {
    this.#leave = end;
    const late = setTimeout(end, discardMs);
    response.on("close", () => clearTimeout(late));
    response.on("end", end);
    response.on("data", (bytes: Buffer) => {
      this.received += bytes.length;
      if (this.received > mostDiscarded) end();
    });
  }

  #fail(error: unknown): void {
    if (this.#leave !== undefined) return this.#leave();
    if (this.#response === undefined)
      return this.#over(unanswered(this.#place, error, mostHeadBytes));
    const length = this.#response.headers["content-length"];
    this.#over(
      brokenOff(this.#place, error, {
        received: this.received,
        expected: length === undefined ? undefined : Number(length),
        ended: this.#socket.readableEnded,
      }),
    );
  }

  #over(failure: PortcatError): void {
    const failed = this.#failed;
    this.#failed = undefined;
    failed?.(failure);
  }
}

/** The names and values of a list that has them in turn. */
function pairs(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, at) => [
    raw[2 * at] ?? "",
    raw[2 * at + 1] ?? "",
  ]);
}

import { request } from "node:http";
import type { Socket } from "node:net";
import type { Endpoint } from "../flow/chunk.ts";
import { heldForPeer, placeOf } from "./connection.ts";
import { Answer, type HttpHead, type Listener, mostHeadBytes } from "./http-answer.ts";
import { bodyUnwanted } from "./http-client-failure.ts";
import type { HttpLink } from "./http-link.ts";
import { prematureClose } from "../flow/stream-source.ts";
import { RequestSink } from "./request-sink.ts";

export type HeaderList = readonly (readonly [name: string, value: string])[];

export interface HttpRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** All of them, in the order in which they are sent. */
  readonly headers: HeaderList;
  /** Whether the head goes ahead of a body that may be long in coming. */
  readonly headFirst: boolean;
}

export interface Exchange extends Endpoint {
  /** The answer has come to its end. */
  readonly complete: boolean;
}

/** How long the rest of a body is still sent to a server that has answered with a status of 300 and up. */
const unwantedMs = 1000;

/**
 * One request and its answer: an endpoint whose sink is the body that is sent and whose source is
 * the body that comes back. The link is left open where it can take another request.
 */
export function exchange(link: HttpLink, asked: HttpRequest, listener: Listener): Exchange {
  const { socket, lower, ends } = link.link;
  const outgoing = request({
    agent: link.agent,
    method: asked.method,
    path: asked.target,
    headers: asked.headers.flat(),
    maxHeaderSize: mostHeadBytes,
  });
  outgoing.maxHeadersCount = 0;
  outgoing.once("socket", () => socket.resume());
  if (asked.headFirst) outgoing.flushHeaders();
  const place = placeOf(ends);
  let answered: HttpHead | undefined;
  const answer = new Answer(outgoing, socket, place, {
    informed: (head) => listener.informed(head),
    answered: (head) => listener.answered((answered = head)),
  });
  const sink = new RequestSink(outgoing);
  // Node says nothing more of a body once the answer is there.
  const cutOff = (error: Error) =>
    sink.fail(answered ? bodyUnwanted(place, answered.status, sink.delivered) : error);
  readOnAfterFailedWrites(socket, cutOff);
  const closed = () => cutOff(prematureClose());
  socket.once("close", closed);
  answer.onEnd = (head: HttpHead) => {
    if (sink.over) return;
    const refuse = () => sink.fail(bodyUnwanted(place, head.status, sink.delivered));
    // Node has closed its side of a connection that the server wants closed.
    if (!socket.writable) refuse();
    else if (head.status >= 300) setTimeout(refuse, sink.begun ? unwantedMs : 0).unref();
  };
  return {
    ...place,
    source: answer,
    sink,
    get complete() {
      return answer.complete;
    },
    unacknowledged: () => heldForPeer(lower, ends),
    close: () => {
      socket.off("close", closed);
      link.received += answer.received;
      link.sent += sink.delivered;
      if (!answer.complete || !outgoing.writableFinished) socket.destroy();
    },
  };
}

/** Who is told of a write that has failed: the latest request over a socket. */
const readingOn = new WeakMap<Socket, (error: Error) => void>();

/**
 * A server may refuse a body and still have told why. When a write fails, Node would destroy the
 * socket, and with it an answer that has arrived; reading goes on to its own end instead.
 */
function readOnAfterFailedWrites(socket: Socket, failed: (error: Error) => void): void {
  const isNew = !readingOn.has(socket);
  readingOn.set(socket, failed);
  if (!isNew) return;
  const destroy = socket.destroy.bind(socket);
  socket.destroy = (error?: NodeJS.ErrnoException) => {
    if (error?.syscall !== "write" || socket.readableEnded) return destroy(error);
    // A stream that has had an error takes no more from the system.
    const { _readableState: state } = socket as unknown as {
      _readableState?: { errored?: unknown };
    };
    if (state?.errored === undefined) return destroy(error);
    state.errored = null;
    socket.once("end", () => destroy());
    readingOn.get(socket)?.(error);
    return socket;
  };
}

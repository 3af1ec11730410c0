import { createServer, IncomingMessage, type Server } from "node:http";
import type { Socket } from "node:net";
import { type HttpClient, HttpConnection, type HttpRules } from "./http-connection.ts";
import { CountedResponse } from "./http-response.ts";

/** How long a connection may rest between two requests; clients are told. */
const keepAliveMs = 5000;

/** Node's HTTP server, over sockets that others have accepted. */
export class HttpServer {
  readonly #rules: HttpRules;
  readonly #server: Server<typeof IncomingMessage, typeof CountedResponse>;
  readonly #connections = new Map<unknown, HttpConnection>();
  /** What has answers written on, of each socket. */
  readonly #onDrain = new WeakMap<object, (() => void)[]>();

  constructor(rules: HttpRules) {
    this.#rules = rules;
    const { idleTimeoutMs } = rules;
    const server = createServer({
      IncomingMessage,
      ServerResponse: CountedResponse,
      // Told, instead of answered behind our back.
      requireHostHeader: false,
      keepAliveTimeout: idleTimeoutMs > 0 ? Math.min(keepAliveMs, idleTimeoutMs) : keepAliveMs,
    });
    // All headers are shown; their size is limited.
    server.maxHeadersCount = 0;
    // A client that has ended its side, as `nc -N` does, wants its answer all the same. Undocumented:
    // where Node forgets it, "to pipelined requests come in order, also after --delay" fails.
    Object.assign(server, { httpAllowHalfOpen: true });
    server.on("request", (request, response) => this.#of(request.socket)?.take(request, response));
    server.on("checkExpectation", (request: IncomingMessage, response: CountedResponse) =>
      this.#of(request.socket)?.take(request, response, 417),
    );
    server.on("connect", (request, socket) => {
      // Node leaves the socket alone now, in the middle of earlier answers too.
      for (const listener of this.#onDrain.get(socket) ?? []) socket.on("drain", listener);
      this.#of(socket)?.refuseTunnel(request);
    });
    server.on("clientError", (error, socket) => this.#of(socket)?.broken(error));
    this.#server = server;
  }

  /** Serves a client over a socket that is connected, or has TLS. */
  serve(socket: Socket, client: HttpClient): HttpConnection {
    const connection = new HttpConnection(socket, client, this.#rules);
    this.#connections.set(socket, connection);
    socket.once("close", () => this.#connections.delete(socket));
    this.#server.emit("connection", socket);
    this.#onDrain.set(socket, socket.listeners("drain"));
    // It was accepted paused.
    socket.resume();
    return connection;
  }

  /** Closes every connection. */
  close(reason: string): void {
    for (const connection of this.#connections.values()) connection.close(reason);
  }

  #of(socket: unknown): HttpConnection | undefined {
    return this.#connections.get(socket);
  }
}

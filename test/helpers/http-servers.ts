import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { onTestFinished } from "vitest";
import type { Issued } from "./certificates.ts";
import { startServer } from "./sockets.ts";

/** What a server of a test has been asked. */
export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly rawHeaders: string[];
  readonly body: Buffer;
  /** The client's port: the same for two requests over one connection. */
  readonly from: number;
}

export interface HttpServer {
  readonly server: Server;
  /** "http://127.0.0.1:41233", without a slash at the end. */
  readonly origin: string;
  readonly asked: Asked[];
}

/** An HTTP server of the test's own, which answers once it has the whole request. */
export async function httpServer(
  answer: RequestListener,
  { tls, path }: { tls?: Issued; path?: string } = {},
): Promise<HttpServer> {
  const asked: Asked[] = [];
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on("error", () => undefined);
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url = "", headers, rawHeaders } = request;
      const from = request.socket.remotePort ?? 0;
      asked.push({ method, url, headers, rawHeaders, from, body: Buffer.concat(chunks) });
      answer(request, response);
    });
  };
  const server = tls ? createSecureServer(tls, listener) : createServer(listener);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  if (path === undefined) server.listen(0, "127.0.0.1");
  else server.listen(path);
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { server, origin: `http${tls ? "s" : ""}://127.0.0.1:${String(port)}`, asked };
}

/** A server that answers the first request of each connection with these bytes, and does more if told. */
export async function rawServer(
  bytes: string,
  then: "end" | "stay" | "reset" = "end",
): Promise<{ url: string; requests: () => string[] }> {
  const { server, port } = await startServer();
  const requests: string[] = [];
  server.on("connection", (socket) => {
    socket.once("data", (request: Buffer) => {
      requests.push(request.toString("latin1"));
      socket.write(bytes, "latin1", () => {
        if (then === "end") socket.end();
        if (then === "reset") socket.resetAndDestroy();
      });
    });
  });
  return { url: `http://127.0.0.1:${String(port)}/`, requests: () => requests };
}

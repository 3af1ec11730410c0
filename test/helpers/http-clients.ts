import { type IncomingHttpHeaders, request, type RequestOptions } from "node:http";
import { buffer } from "node:stream/consumers";
import { bytesTaken } from "../../src/endpoints/socket-handle.ts";
import { connectPeer, type Peer } from "./sockets.ts";
import { Tool } from "./tool.ts";

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Sends one request on a connection of its own, with Node's client, and takes the answer. */
export function ask(
  port: number,
  path = "/",
  { body, ...options }: RequestOptions & { body?: Buffer | string } = {},
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, path, agent: false, ...options }, (answer) => {
      buffer(answer).then(
        (bytes) =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: bytes }),
        reject,
      );
    });
    asked.once("error", reject);
    asked.end(body);
  });
}

/** A listener on a port of the system's choice. */
export async function listening(...flags: string[]): Promise<{ tool: Tool; port: number }> {
  const tool = new Tool(["http", "listen", "127.0.0.1", "0", ...flags], { stdin: "null" });
  return { tool, port: await tool.port() };
}

/** A client that says what no library would say. */
export async function raw(port: number, text = ""): Promise<Peer> {
  const peer = await connectPeer({ port, host: "127.0.0.1" });
  peer.socket.write(text);
  return peer;
}

/** Waits until a raw client has been told something. @throws what came instead, to its end */
export async function told(peer: Peer, text: string): Promise<void> {
  let isOver = false;
  const ended = peer.ended.then(() => (isOver = true));
  while (!peer.received().includes(text)) {
    if (isOver)
      throw new Error(`${JSON.stringify(text)} never came, but:\n${peer.received().toString()}`);
    await Promise.race([ended, new Promise((resolve) => peer.socket.once("data", resolve))]);
  }
}

const rounds = 20;

/** Waits until a listener with -k, which serves others meanwhile, takes no more of what a client sends. */
export async function stuck(port: number, { socket }: Peer): Promise<void> {
  for (let unchanged = 0, before = -1; unchanged < rounds; unchanged++) {
    const other = await raw(port, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n");
    await told(other, " 405 ");
    other.socket.destroy();
    const taken = bytesTaken(socket);
    if (taken !== before) unchanged = 0;
    before = taken;
  }
}

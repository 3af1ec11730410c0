import { type IncomingHttpHeaders, request, type RequestOptions } from "node:http";
import { buffer } from "node:stream/consumers";
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

/** Waits until a raw client has been told something. */
export async function told(peer: Peer, text: string): Promise<void> {
  while (!peer.received().includes(text))
    await new Promise((resolve) => peer.socket.once("data", resolve));
}

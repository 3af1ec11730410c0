import { Agent } from "node:http";
import type { Link } from "./connection.ts";

/** Hands out one socket that is connected already, so that requests go over it one after another. */
class OneSocket extends Agent {
  readonly #link: Link;

  constructor(link: Link) {
    super({ keepAlive: true, maxSockets: 1 });
    this.#link = link;
  }

  override createConnection() {
    return this.#link.socket;
  }
}

/** A link that HTTP/1.1 is spoken over, and what it has carried. */
export class HttpLink {
  readonly id: number;
  readonly link: Link;
  readonly agent: Agent;
  readonly begun = performance.now();
  received = 0;
  sent = 0;

  constructor(id: number, link: Link) {
    this.id = id;
    this.link = link;
    this.agent = new OneSocket(link);
    link.socket.on("error", () => undefined);
  }

  /** Whether another request can be sent over it: the last one is over, and the server has not closed. */
  get reusable(): boolean {
    const free = Object.values(this.agent.freeSockets).flatMap((each) => each ?? []);
    return free.some((socket) => socket.writable && !socket.readableEnded);
  }

  /** Leaves without waiting for the server. */
  close(): void {
    const { socket } = this.link;
    socket.unref();
    if (socket.writable) socket.destroySoon();
    else socket.destroy();
  }
}

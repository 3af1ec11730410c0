import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import type { Issued } from "./certificates.ts";

async function listening(server: Server): Promise<number> {
  onTestFinished(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** A proxy that says what the test has it say, once it has been asked for something. */
export async function scriptedProxy(
  protocol: keyof typeof conversations,
  answer: (socket: Socket) => void,
): Promise<{ port: number; asked: () => Buffer }> {
  const { greeting, isAsked } = conversations[protocol];
  let asked = Buffer.alloc(0);
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let greeted = greeting === undefined;
    let answered = false;
    asked = Buffer.alloc(0);
    socket.on("error", () => undefined);
    onTestFinished(() => void socket.destroy());
    socket.on("data", (bytes: Buffer) => {
      if (answered) return;
      if (!greeted) {
        greeted = true;
        return void socket.write(greeting ?? "");
      }
      asked = Buffer.concat([asked, bytes]);
      if (!isAsked(asked)) return;
      answered = true;
      answer(socket);
    });
  });
  return { port: await listening(server), asked: () => asked };
}

interface Conversation {
  greeting?: Buffer;
  isAsked: (asked: Buffer) => boolean;
  yes: Buffer;
}

/** What a proxy says first, when it has been asked, and how it agrees. */
export const conversations = {
  socks4: {
    isAsked: (asked: Buffer) => asked.length > 8 && asked.at(-1) === 0,
    yes: Buffer.from([0, 90, 0, 0, 0, 0, 0, 0]),
  },
  socks4a: {
    isAsked: (asked: Buffer) => asked.length > 8 && asked.at(-1) === 0,
    yes: Buffer.from([0, 90, 0, 0, 0, 0, 0, 0]),
  },
  socks5: {
    greeting: Buffer.from([5, 0]),
    isAsked: (asked: Buffer) => asked.length > 6,
    yes: Buffer.from([5, 0, 0, 1, 127, 0, 0, 1, 0, 80]),
  },
  http: {
    isAsked: (asked: Buffer) => asked.includes("\r\n\r\n"),
    yes: Buffer.from("HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n"),
  },
} satisfies Record<string, Conversation> as Record<
  "socks4" | "socks4a" | "socks5" | "http",
  Conversation
>;

/** A proxy that connects, with TLS where it is given a certificate. */
export async function httpProxy(certificate?: Issued): Promise<number> {
  const server = certificate
    ? createHttpsServer({ ...certificate, allowHalfOpen: true } as object)
    : createHttpServer();
  server.on("connect", ({ url = "" }, client: Socket) => {
    const [host = "", port] = url.split(":");
    const target = connect({ host, port: Number(port), allowHalfOpen: true }, () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      client.pipe(target).pipe(client);
    });
    for (const [socket, other] of [
      [client, target],
      [target, client],
    ] as const)
      socket.on("error", () => other.destroy());
    onTestFinished(() => void client.destroy());
    onTestFinished(() => void target.destroy());
  });
  return listening(server);
}

import net from "node:net";
import { cannotBind } from "../../endpoints/cannot-bind.ts";
import { listeningHandle } from "../../endpoints/listening-handle.ts";
import { abortable, type Family, resolveHost } from "../../endpoints/resolve.ts";
import { hostPort } from "../../events.ts";
import type { Context } from "../context.ts";
import { print } from "./print.ts";

interface Wanted {
  readonly host: string;
  readonly port: number;
  readonly family: Family;
  readonly transport: "tcp" | "udp" | "unix";
  readonly path: string | undefined;
  readonly count: number;
}

/** What the system reports of something bound, and how to let go of it. */
interface Held {
  readonly address: { address: string; family: string; port: number } | { path: string };
  readonly release: () => void;
}

/** Binds as many addresses as wanted, all at the same time, prints them, and lets go of them. */
export async function runAddress(
  wanted: Wanted,
  output: { form: "place" | "json" | "port"; holdMs: number | undefined },
  context: Context,
): Promise<void> {
  const held: Held[] = [];
  try {
    const hold = await binder(wanted, context);
    for (let n = 0; n < wanted.count; n++) {
      context.signal.throwIfAborted();
      held.push(await hold());
    }
    await print(held.map(({ address }) => `${inForm(address, output.form)}\n`).join(""), context);
    if (output.holdMs !== undefined) {
      const { setTimeout: sleep } = await import("node:timers/promises");
      await abortable(context.signal, sleep(output.holdMs));
    }
  } finally {
    for (const { release } of held) release();
  }
}

/** A function that binds one more. */
async function binder(wanted: Wanted, { signal, emit }: Context): Promise<() => Promise<Held>> {
  const { transport, path = "", port } = wanted;
  if (transport === "unix") return () => holdUnix(path, signal, emit);
  const [found] = await resolveHost(wanted, signal, emit);
  const { address, family } = found ?? { address: wanted.host, family: 4 };
  return transport === "udp"
    ? () => holdUdp(address, family, port)
    : () => holdTcp(address, family, port);
}

async function holdUnix(path: string, signal: AbortSignal, emit: Context["emit"]): Promise<Held> {
  const { listenUnix } = await import("../../endpoints/unix.ts");
  const target = { path, mode: undefined, backlog: 1 };
  const listener = await listenUnix(target, (accepted) => accepted.destroy(), signal, emit);
  return { address: { path }, release: () => listener.close() };
}

async function holdUdp(address: string, family: 4 | 6, port: number): Promise<Held> {
  const { bindUdp, createUdpSocket } = await import("../../endpoints/udp-socket.ts");
  const options = { join: [], broadcast: false, reusePort: false };
  const socket = createUdpSocket(family, true, options);
  await bindUdp(socket, { address, port });
  return { address: socket.address(), release: () => socket.close() };
}

async function holdTcp(address: string, family: 4 | 6, port: number): Promise<Held> {
  const handle = listeningHandle(address, family, port);
  if (handle === undefined) return holdServer(address, port);
  return { address: handle.address, release: () => handle.close() };
}

async function holdServer(address: string, port: number): Promise<Held> {
  const server = await new Promise<net.Server>((resolve, reject) => {
    const server = net.createServer((socket) => socket.destroy());
    const place = { doing: `cannot bind ${hostPort(address, port)}`, transport: "tcp" } as const;
    server.once("error", (error) => reject(cannotBind({ ...place, address, port }, error)));
    server.listen({ host: address, port, ipv6Only: true, backlog: 1 }, () => resolve(server));
  });
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("a TCP server without a port");
  return { address: bound, release: () => server.close() };
}

function inForm(address: Held["address"], form: "place" | "json" | "port"): string {
  if (form === "json") return JSON.stringify(address);
  if ("path" in address) return address.path;
  return form === "port" ? String(address.port) : hostPort(address.address, address.port);
}

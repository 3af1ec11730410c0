import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { onTestFinished } from "vitest";
import type { SocketAddress } from "../../src/events.ts";

export interface Datagram {
  bytes: Buffer;
  from: SocketAddress;
}

/** A UDP peer of the test's own. */
export interface UdpPeer {
  readonly socket: Socket;
  readonly port: number;
  /** What has come so far. */
  readonly received: readonly Datagram[];
  /** Waits for the next datagram that was not waited for yet. */
  next(): Promise<Datagram>;
  send(bytes: string | Buffer, port: number, address?: string): Promise<void>;
  /** Gives the port back before the end of the test. */
  close(): Promise<void>;
}

/** Binds a socket on a port of the system's choice. */
export async function udpPeer(address = "127.0.0.1", reuseAddr = false): Promise<UdpPeer> {
  const socket = createSocket({ type: isIPv6(address) ? "udp6" : "udp4", reuseAddr });
  const closed = once(socket, "close");
  let open = true;
  const close = async () => {
    if (open) socket.close();
    open = false;
    await closed;
  };
  onTestFinished(close);
  const received: Datagram[] = [];
  let woken: () => void = () => undefined;
  let taken = 0;
  socket.on("message", (bytes, { address, port }) => {
    received.push({ bytes, from: { address, port } });
    woken();
  });
  socket.bind(0, address);
  await once(socket, "listening");
  return {
    socket,
    port: socket.address().port,
    received,
    close,
    next: async () => {
      while (received.length <= taken) await new Promise<void>((resolve) => (woken = resolve));
      return received[taken++] as Datagram;
    },
    send: (bytes, port, to = address) =>
      new Promise((resolve, reject) => {
        socket.send(bytes, port, to, (error) => (error ? reject(error) : resolve()));
      }),
  };
}

/** A port of 127.0.0.1 that refuses whatever is sent to it for as long as the test runs. */
export async function refusingUdpPort(): Promise<number> {
  const { socket, port } = await udpPeer();
  // A socket that is connected elsewhere takes from there alone, and keeps others off its port.
  const connected = once(socket, "connect");
  socket.connect(port, "127.0.0.1");
  await connected;
  return port;
}

/** Whether a datagram for `group`, sent to the loopback interface, comes back to a member there. */
export async function loopbackMulticast(
  group: string,
  name: string,
  source?: string,
): Promise<boolean> {
  const type = isIPv6(group) ? "udp6" : "udp4";
  const onLoopback = type === "udp6" ? `::%${name}` : "127.0.0.1";
  const member = createSocket(type);
  const sender = createSocket(type);
  try {
    member.bind(0);
    sender.bind(0, type === "udp6" ? "::1" : "127.0.0.1");
    await Promise.all([once(member, "listening"), once(sender, "listening")]);
    if (source === undefined) member.addMembership(group, onLoopback);
    else member.addSourceSpecificMembership(source, group, onLoopback);
    sender.setMulticastInterface(onLoopback);
    const came = once(member, "message", { signal: AbortSignal.timeout(300) });
    sender.send("x", member.address().port, group, () => undefined);
    await came;
    return true;
  } catch {
    return false;
  } finally {
    member.close();
    sender.close();
  }
}

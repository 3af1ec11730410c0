import { createSocket, type Socket, type SocketOptions } from "node:dgram";
import { isIPv4, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import {
  causeInWords,
  codeOf,
  ExitCode,
  PortcatError,
  systemError,
  usageError,
} from "../errors.ts";
import { type Emit, hostPort } from "../events.ts";
import { cannotBind } from "./cannot-bind.ts";

/** A group to be a member of, perhaps only for one sender, perhaps on one interface. */
export interface Membership {
  readonly group: string;
  readonly source?: string | undefined;
  /** An interface's name, or one of its addresses. */
  readonly interface?: string | undefined;
}

export interface UdpOptions {
  readonly ttl?: number | undefined;
  readonly loopback?: boolean | undefined;
  readonly broadcast: boolean;
  readonly receiveBufferBytes?: number | undefined;
  readonly sendBufferBytes?: number | undefined;
  readonly reusePort: boolean;
  readonly join: readonly Membership[];
}

/** @throws PortcatError (exit code 2) for an option that the running Node does not have */
export function checkUdpOptions({ reusePort }: UdpOptions): void {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (reusePort && (major < 22 || (major === 22 && minor < 12)))
    throw usageError(
      `--reuse-port needs Node 22.12 or later, which can set it; this is Node ${process.versions.node}`,
    );
}

/** A socket of one family, with the options that have to be there before it is bound. */
export function createUdpSocket(family: 4 | 6, only: boolean, options: UdpOptions): Socket {
  const settings: SocketOptions = {
    type: family === 4 ? "udp4" : "udp6",
    ipv6Only: family === 6 && only,
    // Several programs may be members of one group on one machine.
    reuseAddr: options.join.length > 0,
    ...(options.reusePort && { reusePort: true }),
  };
  return createSocket(settings);
}

/** Sets what can only be set once the socket is bound. @throws PortcatError when the system refuses */
export function setUdpOptions(
  socket: Socket,
  family: 4 | 6,
  options: UdpOptions,
  emit: Emit,
): void {
  const set = (name: string, value: string | number | boolean, call: () => void) => {
    try {
      call();
    } catch (error) {
      throw systemError(`cannot set --${name} ${String(value)}`, error, {
        exitCode: ExitCode.failure,
      });
    }
    emit({ event: "option", name, value });
  };
  const { ttl, loopback, receiveBufferBytes, sendBufferBytes } = options;
  if (options.broadcast) set("broadcast", true, () => socket.setBroadcast(true));
  if (ttl !== undefined)
    set("ttl", ttl, () => {
      socket.setTTL(ttl);
      socket.setMulticastTTL(ttl);
    });
  if (loopback !== undefined)
    set("loopback", loopback, () => socket.setMulticastLoopback(loopback));
  if (receiveBufferBytes === undefined) enlargeReceiveBuffer(socket);
  else
    set("receive-buffer", receiveBufferBytes, () => socket.setRecvBufferSize(receiveBufferBytes));
  if (sendBufferBytes !== undefined)
    set("send-buffer", sendBufferBytes, () => socket.setSendBufferSize(sendBufferBytes));
  for (const membership of options.join)
    set("join", membership.group, () => join(socket, family, membership));
}

/**
 * A flood has to wait somewhere while we write. As much as the system allows: Linux takes what it
 * allows of any number (socket(7), rmem_max), others refuse a number that is too large.
 */
function enlargeReceiveBuffer(socket: Socket): void {
  for (let bytes = 8 << 20; bytes > socket.getRecvBufferSize(); bytes /= 2) {
    try {
      return socket.setRecvBufferSize(bytes);
    } catch {
      // The next may do.
    }
  }
}

function join(socket: Socket, family: 4 | 6, { group, source, interface: name }: Membership): void {
  const address =
    name === undefined ? undefined : interfaceAddress(name, isIPv4(group) ? 4 : family);
  if (source === undefined) socket.addMembership(group, address);
  else socket.addSourceSpecificMembership(source, group, address);
}

/**
 * What Node wants to be told of an interface: an address of it (IPv4), or "::%name" (IPv6).
 *
 * @throws PortcatError (exit code 1) when there is no such interface, or it has no IPv4 address
 */
export function interfaceAddress(name: string, family: 4 | 6): string {
  if (family === 4 && isIPv4(name)) return name;
  const addresses = networkInterfaces()[name];
  if (addresses === undefined && !isIPv6(name))
    throw new PortcatError(
      `there is no network interface ${name} (ENODEV); there are ${Object.keys(networkInterfaces()).join(", ")}`,
      { code: "ENODEV" },
    );
  if (family === 6) return isIPv6(name) ? name : `::%${name}`;
  const own = addresses?.find((each) => each.family === "IPv4");
  if (own === undefined)
    throw new PortcatError(`the network interface ${name} has no IPv4 address (ENODEV)`, {
      code: "ENODEV",
    });
  return own.address;
}

/** Binds a socket. Every address where none is given. @throws PortcatError when the system refuses (exit code 7) */
export function bindUdp(
  socket: Socket,
  at: { address?: string | undefined; port: number },
): Promise<void> {
  const { address, port } = at;
  const place = address === undefined ? `port ${String(port)}` : hostPort(address, port);
  return new Promise((resolve, reject) => {
    const refused = (error: Error) => {
      socket.close();
      reject(cannotBind({ doing: `cannot bind ${place}`, transport: "udp", address, port }, error));
    };
    socket.once("error", refused);
    socket.bind({ port, ...(address !== undefined && { address }) }, () => {
      socket.off("error", refused);
      resolve();
    });
  });
}

/** Why a datagram could not be sent, in words, with the way out where there is one. */
export function whyNotSent(error: unknown, { broadcast }: UdpOptions): string {
  const hint =
    codeOf(error) === "EACCES" && !broadcast ? "; a broadcast address needs --broadcast" : "";
  return `${causeInWords(error)}${hint}`;
}

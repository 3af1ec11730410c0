import type { Socket } from "node:dgram";
import { isIP } from "node:net";
import type { FramingFlags, UdpFlags } from "../../cli/options.ts";
import type { Place } from "../../cli/place.ts";
import { plainAddress } from "../../endpoints/connection.ts";
import { type Family, resolveHost } from "../../endpoints/resolve.ts";
import { openStdin, stdinIsNull } from "../../endpoints/stdio.ts";
import { bindAddress } from "../../endpoints/tcp-listen.ts";
import {
  bindUdp,
  checkUdpOptions,
  createUdpSocket,
  longestDatagram,
  setUdpOptions,
} from "../../endpoints/udp-socket.ts";
import { UdpSink, UdpSource } from "../../endpoints/udp.ts";
import { causeInWords, codeOf, ExitCode, PortcatError, usageError } from "../../errors.ts";
import { hostPort, type SocketAddress } from "../../events.ts";
import { DeferredSource } from "../../flow/deferred-source.ts";
import { framed } from "../../flow/framing.ts";
import type { Context } from "../context.ts";
import { exchange, framingOf, udpEndpoint, udpOptionsOf, type WatchingFlags } from "./datagrams.ts";
import { announceBound, forgetReadyFile } from "./ready-file.ts";
import { limitRun } from "./session.ts";

interface Flags extends UdpFlags, FramingFlags, WatchingFlags {
  peer?: Place;
  count?: number;
  idleTimeout?: number;
  stdin: boolean;
  readyFile?: string;
}

/** Receives datagrams from anybody; sends stdin to the latest sender, or to one fixed peer. */
export async function runUdpBind(
  at: { host: string | undefined; port: number; family: Family },
  flags: Flags,
  context: Context,
): Promise<void> {
  const options = udpOptionsOf(flags);
  checkUdpOptions(options);
  limitRun(flags.timeout, context);
  forgetReadyFile(flags.readyFile);

  const { socket, family } = await bind(at, flags, context);
  try {
    setUdpOptions(socket, family, options);
    const bound = socket.address();
    announceBound(
      {
        transport: "udp",
        address: plainAddress(bound.address),
        port: bound.port,
        family: family === 6 ? "IPv6" : "IPv4",
      },
      flags.readyFile,
      context,
    );
  } catch (error) {
    socket.close();
    throw error;
  }
  await run(socket, family, flags, context);
}

async function bind(
  { host, port, family }: { host: string | undefined; port: number; family: Family },
  flags: Flags,
  context: Context,
): Promise<{ socket: Socket; family: 4 | 6 }> {
  const options = udpOptionsOf(flags);
  const groups = new Set(flags.join.map(({ group }) => isIP(group) as 4 | 6));
  for (const group of groups)
    if (family !== 0 && family !== group)
      throw usageError(
        `--join: the group is an IPv${String(group)} address, but -${String(family)} was given`,
      );
  const address = await bindAddress({ host, family }, context.signal, context.emit);
  const place = address === undefined ? `port ${String(port)}` : hostPort(address, port);
  const attempt = async (as: 4 | 6) => {
    const socket = createUdpSocket(as, family === 6, options);
    await bindUdp(socket, place, { address, port });
    return { socket, family: as };
  };
  if (address !== undefined) return attempt(isIP(address) as 4 | 6);
  // Both families on one socket; IPv4 alone for its groups, and on a system without IPv6.
  if (groups.has(4) && !groups.has(6)) return attempt(4);
  try {
    return await attempt(6);
  } catch (error) {
    if (!["EAFNOSUPPORT", "EADDRNOTAVAIL", "EINVAL"].includes(codeOf(error))) throw error;
    return attempt(4);
  }
}

async function run(socket: Socket, family: 4 | 6, flags: Flags, context: Context): Promise<void> {
  const bound = socket.address();
  const source = new UdpSource(socket, flags.count ?? Infinity);
  const peer = flags.peer && (await peerAddress(flags.peer, family, context));
  const stdin = flags.stdin && !stdinIsNull() ? openStdin() : undefined;
  const local =
    stdin && new DeferredSource(framed(stdin, framingOf(flags, false), longestDatagram));
  if (peer !== undefined) local?.begin();

  let latest: SocketAddress | undefined;
  socket.on("message", (_, { address, port }) => {
    latest = { address, port };
    local?.begin();
  });
  const sink = new UdpSink(socket, {
    destination: () => peer ?? latest,
    refused: (error, to) => {
      const where = to === undefined ? "" : ` to ${hostPort(plainAddress(to.address), to.port)}`;
      const message = `a datagram${where} could not be sent: ${causeInWords(error)}`;
      context.emit({ event: "warning", message });
      return undefined;
    },
    done: () => undefined,
  });
  const name = hostPort(plainAddress(bound.address), bound.port);
  const { failure } = await exchange(
    local,
    udpEndpoint(name, socket, source, sink),
    flags,
    context,
  );
  if (failure !== undefined) throw failure;
  if (sink.lost > 0 || source.dropped > 0)
    throw new PortcatError(
      `${String(sink.lost)} datagrams could not be sent, ${String(source.dropped)} not be written`,
      { exitCode: ExitCode.broken, code: "ELOST" },
    );
}

/** The fixed peer's address as a socket of this family wants it. */
async function peerAddress(
  { host = "localhost", port }: Place,
  family: 4 | 6,
  { signal, emit }: Context,
): Promise<SocketAddress> {
  const [found] = await resolveHost(host, family === 4 ? 4 : 0, signal, emit);
  const address = found?.address ?? host;
  return { address: family === 6 && isIP(address) === 4 ? `::ffff:${address}` : address, port };
}

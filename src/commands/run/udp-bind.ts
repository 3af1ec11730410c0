import type { Socket } from "node:dgram";
import { isIP } from "node:net";
import type { FramingFlags, UdpFlags } from "../../cli/options.ts";
import type { Place } from "../../cli/place.ts";
import { plainAddress } from "../../endpoints/connection.ts";
import { type Family, resolveHost } from "../../endpoints/resolve.ts";
import { openStdin, stdinIsNull } from "../../endpoints/stdin.ts";
import { bindAddress } from "../../endpoints/tcp-listen.ts";
import {
  bindUdp,
  checkUdpOptions,
  createUdpSocket,
  setUdpOptions,
  type UdpOptions,
  whyNotSent,
} from "../../endpoints/udp-socket.ts";
import { UdpBatchSource } from "../../endpoints/udp-batches.ts";
import { UdpSink, UdpSource } from "../../endpoints/udp.ts";
import { codeOf, ExitCode, PortcatError, usageError } from "../../errors.ts";
import { hostPort, type SocketAddress } from "../../events.ts";
import { DeferredSource } from "../../flow/deferred-source.ts";
import { framed, longestDatagram } from "../../flow/framing.ts";
import type { Context } from "../context.ts";
import { exchange, framingOf, udpEndpoint, udpOptionsOf, type WatchingFlags } from "./datagrams.ts";
import { announceBound, withoutReadyFile } from "./ready-file.ts";
import { limitRun } from "./session.ts";

interface Flags extends UdpFlags, FramingFlags, WatchingFlags {
  peer?: Place;
  count?: number;
  idleTimeout?: number;
  stdin: boolean;
  readyFile?: string;
}

/** Which families a socket serves: one, or both on one socket. */
type Serves = 4 | 6 | "both";

interface Bound {
  readonly socket: Socket;
  readonly family: 4 | 6;
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
  const address = await bindAddress(at, context.signal, context.emit);
  const serves = familiesOf(address, at.family, options);
  const peer = flags.peer && (await peerAddress(flags.peer, serves, context));

  const { socket, family } = await withoutReadyFile(flags.readyFile, () =>
    bind(address, at.port, serves, options),
  );
  try {
    setUdpOptions(socket, family, options, context.emit);
    const { address, port } = socket.address();
    const bound = { address: plainAddress(address), port, family: `IPv${family}` } as const;
    announceBound({ transport: "udp", ...bound }, flags.readyFile, context);
  } catch (error) {
    socket.close();
    throw error;
  }
  await run(socket, family, peer, flags, context);
}

/** @throws PortcatError (exit code 2) when a group to join is of a family that the socket does not serve */
function familiesOf(address: string | undefined, family: Family, { join }: UdpOptions): Serves {
  const groups = new Set(join.map(({ group }) => isIP(group)));
  const asked = address === undefined || address === "::" ? family : (isIP(address) as 4 | 6);
  for (const group of groups)
    if (asked !== 0 && asked !== group)
      throw usageError(
        `--join: the group is an IPv${String(group)} address, but the socket is for IPv${String(asked)}`,
      );
  if (asked !== 0) return asked;
  // IPv4 groups alone want a plain IPv4 socket; not every system joins them on one for both.
  return groups.has(4) && !groups.has(6) ? 4 : "both";
}

async function bind(
  address: string | undefined,
  port: number,
  serves: Serves,
  options: UdpOptions,
): Promise<Bound> {
  const attempt = async (family: 4 | 6): Promise<Bound> => {
    const socket = createUdpSocket(family, serves === 6, options);
    await bindUdp(socket, { address, port });
    return { socket, family };
  };
  if (serves !== "both") return attempt(serves);
  try {
    return await attempt(6);
  } catch (error) {
    // A system without IPv6.
    if (!["EAFNOSUPPORT", "EADDRNOTAVAIL", "EINVAL"].includes(codeOf(error))) throw error;
    return attempt(4);
  }
}

/** The fixed peer's address. @throws PortcatError (exit code 2) when the socket does not serve its family */
async function peerAddress(
  { host = "localhost", port }: Place,
  serves: Serves,
  { signal, emit }: Context,
): Promise<SocketAddress> {
  const numeric = isIP(host);
  if (numeric !== 0 && serves !== "both" && numeric !== serves)
    throw usageError(
      `--peer ${host} is an IPv${String(numeric)} address, but the socket is for IPv${String(serves)}`,
    );
  const family = serves === "both" ? 0 : serves;
  const [found] = await resolveHost({ host, port, family }, signal, emit);
  return { address: found?.address ?? host, port };
}

async function run(
  socket: Socket,
  family: 4 | 6,
  peer: SocketAddress | undefined,
  flags: Flags,
  context: Context,
): Promise<void> {
  const bound = socket.address();
  const stdin = flags.stdin && !stdinIsNull() ? openStdin() : undefined;
  const local =
    stdin && new DeferredSource(framed(stdin, framingOf(flags, false), longestDatagram));
  if (peer !== undefined) local?.begin();

  let latest: SocketAddress | undefined;
  const answers = local !== undefined && peer === undefined;
  if (answers)
    socket.on("message", (_, { address, port }) => {
      latest = { address, port };
      local.begin();
    });
  // Where each datagram is shown, or its sender answered, it is read by itself.
  const each = answers || flags.hex || context.datagramsShown();
  const Reads = each ? UdpSource : UdpBatchSource;
  const source = new Reads(socket, flags.count ?? Infinity);
  const sink = new UdpSink(socket, {
    destination: () => asSocketWants(peer ?? latest, family),
    refused: (error, to) => {
      const where = to === undefined ? "" : ` to ${hostPort(plainAddress(to.address), to.port)}`;
      const message = `a datagram${where} could not be sent: ${whyNotSent(error, udpOptionsOf(flags))}`;
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

/** An IPv6 socket wants an IPv4 address in its mapped form (RFC 4291, section 2.5.5.2). */
function asSocketWants(to: SocketAddress | undefined, family: 4 | 6): SocketAddress | undefined {
  if (to === undefined || family === 4 || isIP(to.address) === 6) return to;
  return { ...to, address: `::ffff:${to.address}` };
}

import type { Socket } from "node:dgram";
import { isMulticast } from "../../cli/place.ts";
import type { FramingFlags, UdpFlags } from "../../cli/options.ts";
import {
  type Family,
  type LocalSource,
  type ResolvedAddress,
  resolveFrom,
} from "../../endpoints/resolve.ts";
import { openStdin } from "../../endpoints/stdin.ts";
import {
  bindUdp,
  checkUdpOptions,
  createUdpSocket,
  interfaceAddress,
  setUdpOptions,
  type UdpOptions,
  whyNotSent,
} from "../../endpoints/udp-socket.ts";
import { UdpSink, UdpSource } from "../../endpoints/udp.ts";
import { ExitCode, PortcatError, systemError } from "../../errors.ts";
import { hostPort, type SocketAddress } from "../../events.ts";
import { BytesSource } from "../../flow/bytes-source.ts";
import type { Source } from "../../flow/chunk.ts";
import { framed, longestDatagram } from "../../flow/framing.ts";
import type { Outcome } from "../../flow/relay.ts";
import type { Context } from "../context.ts";
import { exchange, framingOf, udpEndpoint, udpOptionsOf, type WatchingFlags } from "./datagrams.ts";
import { limitRun } from "./session.ts";

interface Target {
  readonly host: string;
  readonly port: number;
  readonly family: Family;
  readonly source?: LocalSource;
  /** The interface that datagrams to a multicast group leave by. */
  readonly iface?: string;
}

interface Flags extends UdpFlags, FramingFlags, WatchingFlags {
  wait?: number;
  replies?: number;
}

/** How long --replies waits where --wait does not say. */
const defaultWaitMs = 2000;
/** How long an open pipe may keep a datagram from being sent before we say what we wait for. */
const silenceMs = 1000;

/** Sends one message, or stdin cut into datagrams, and receives for as long as asked for. */
export async function runUdpSend(
  target: Target,
  message: Buffer | undefined,
  flags: Flags,
  context: Context,
): Promise<void> {
  checkUdpOptions(udpOptionsOf(flags));
  limitRun(flags.timeout, context);
  const framing = framingOf(flags, true);
  const addresses = await resolveFrom(target, context.signal, context.emit);
  const whole = message ?? (framing.kind === "whole" ? await allOfStdin(context) : undefined);
  for (const [index, address] of addresses.entries()) {
    const source = whole ? new BytesSource(whole) : framed(openStdin(), framing, longestDatagram);
    const { failure, received } = await sendTo(address, source, target, flags, context);
    if (failure === undefined) return;
    // What a closed port refused may be wanted at the name's next address; stdin was read only once.
    const another = whole !== undefined && received === 0 && index + 1 < addresses.length;
    if (!another || failure.exitCode !== ExitCode.refused) throw failure;
    context.emit({ event: "warning", message: failure.message });
  }
}

/** All of stdin, which is to be one datagram. @throws PortcatError (exit code 2) when it is too long for one */
function allOfStdin({ emit, signal }: Context): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const source = framed(openStdin(), { kind: "whole", evenEmpty: true }, longestDatagram);
    const waiting = setTimeout(() => {
      const message =
        "waiting for the end of stdin, which is sent as one datagram (--lines sends one a line)";
      emit({ event: "warning", message });
    }, silenceMs);
    const over = () => {
      clearTimeout(waiting);
      signal.removeEventListener("abort", aborted);
    };
    const aborted = () => {
      over();
      reject(signal.reason as Error);
      source.stop();
    };
    if (signal.aborted) return aborted();
    signal.addEventListener("abort", aborted);
    source.start(
      {
        write: (chunk) => {
          over();
          resolve(Buffer.from(chunk.bytes));
          chunk.release();
        },
        end: () => source.stop(),
      },
      (error) => {
        over();
        source.stop();
        reject(systemError("cannot read stdin", error));
      },
    );
  });
}

async function sendTo(
  { address, family }: ResolvedAddress,
  local: Source,
  target: Target,
  flags: Flags,
  context: Context,
): Promise<Outcome> {
  const { port } = target;
  const place = hostPort(address, port);
  const name = address === target.host ? place : `${place} (${target.host})`;
  const options = udpOptionsOf(flags);
  const inWords = (error: unknown) =>
    systemError("", error, {
      message: `cannot send to ${name}: ${whyNotSent(error, options)}`,
      address,
      port,
    });
  // A group's or a network's answers come from its members, which a connected socket does not hear.
  const toMany = isMulticast(address) || options.broadcast;
  const socket = await open(address, family, target, options, context);
  try {
    if (!toMany) await connect(socket, address, port);
  } catch (error) {
    socket.close();
    throw inWords(error);
  }

  const waitMs = flags.wait ?? (flags.replies === undefined ? 0 : defaultWaitMs);
  const source = new UdpSource(socket, flags.replies ?? Infinity, inWords);
  let waiting: NodeJS.Timeout | undefined;
  const sink = new UdpSink(socket, {
    destination: () => (toMany ? { address, port } : undefined),
    refused: (error) => {
      setImmediate(() => source.end());
      return inWords(error);
    },
    done: () => {
      // A closed port is known once its answer has been read: two turns of the event loop, here.
      if (waitMs === 0) setImmediate(() => setImmediate(() => source.end()));
      else waiting = setTimeout(() => source.end(), waitMs);
    },
  });
  const outcome = await exchange(local, udpEndpoint(name, socket, source, sink), flags, context);
  clearTimeout(waiting);
  const { failure } = outcome;
  if (failure !== undefined || flags.replies === undefined || source.received >= flags.replies)
    return outcome;
  return {
    ...outcome,
    failure: tooFewReplies(name, source.received, flags.replies, waitMs, { address, port }),
  };
}

/** A bound socket that can send to the address. */
async function open(
  address: string,
  family: 4 | 6,
  { port, source, iface }: Target,
  options: UdpOptions,
  { emit }: Context,
): Promise<Socket> {
  const through = iface === undefined ? undefined : interfaceAddress(iface, family);
  const socket = createUdpSocket(family, false, options);
  await bindUdp(socket, {
    address: source?.address,
    port: source?.port ?? 0,
  });
  try {
    setUdpOptions(socket, family, options, emit);
    if (isMulticast(address)) {
      const leaveBy = through ?? (family === 4 ? source?.address : undefined);
      if (leaveBy !== undefined) socket.setMulticastInterface(leaveBy);
    }
    return socket;
  } catch (error) {
    socket.close();
    throw systemError(
      `cannot send to ${hostPort(address, port)} through ${iface ?? "there"}`,
      error,
      {
        address,
        port,
      },
    );
  }
}

/** Connects the socket, so that the system tells when the peer's port is closed. */
function connect(socket: Socket, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    // Node hands an error to the callback, which its types do not know.
    socket.connect(port, address, (...[error]: Error[]) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

function tooFewReplies(
  name: string,
  got: number,
  wanted: number,
  waitMs: number,
  at: SocketAddress,
): PortcatError {
  return new PortcatError(
    `${name} sent ${String(got)} of ${String(wanted)} replies within ${String(waitMs / 1000)} s (ETIMEDOUT)`,
    { exitCode: ExitCode.timedOut, code: "ETIMEDOUT", ...at },
  );
}

import type { Socket } from "node:dgram";
import { isMulticast } from "../../cli/place.ts";
import type { FramingFlags, UdpFlags } from "../../cli/options.ts";
import {
  type Family,
  type LocalSource,
  type ResolvedAddress,
  resolveFrom,
} from "../../endpoints/resolve.ts";
import { openStdin } from "../../endpoints/stdio.ts";
import {
  bindUdp,
  checkUdpOptions,
  createUdpSocket,
  longestDatagram,
  setUdpOptions,
} from "../../endpoints/udp-socket.ts";
import { UdpSink, UdpSource } from "../../endpoints/udp.ts";
import { codeOf, ExitCode, PortcatError, systemError } from "../../errors.ts";
import { hostPort } from "../../events.ts";
import { BytesSource } from "../../flow/bytes-source.ts";
import type { Source } from "../../flow/chunk.ts";
import { framed } from "../../flow/framing.ts";
import type { Outcome } from "../../flow/relay.ts";
import type { Context } from "../context.ts";
import { exchange, framingOf, udpEndpoint, udpOptionsOf, type WatchingFlags } from "./datagrams.ts";
import { limitRun } from "./session.ts";

interface Target {
  readonly host: string;
  readonly port: number;
  readonly family: Family;
  readonly source?: LocalSource;
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
  const whole = message ?? (framing.kind === "whole" ? await allOfStdin(context) : undefined);
  const addresses = await resolveFrom(target, context.signal, context.emit);
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
      source.stop();
      reject(signal.reason as Error);
    };
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
  const place = hostPort(address, target.port);
  const name = address === target.host ? place : `${place} (${target.host})`;
  const refused = (error: unknown) => refusedDatagram(name, error, address, target.port);
  const socket = await open({ address, family }, name, target, flags, context);
  const waitMs = flags.wait ?? (flags.replies === undefined ? 0 : defaultWaitMs);
  const source = new UdpSource(socket, flags.replies ?? Infinity, refused);
  let waiting: NodeJS.Timeout | undefined;
  const sink = new UdpSink(socket, {
    destination: () => undefined,
    refused,
    done: () => {
      // A closed port is known once its answer has been read: two turns of the event loop, here.
      if (waitMs === 0) setImmediate(() => setImmediate(() => source.end()));
      else waiting = setTimeout(() => source.end(), waitMs);
    },
  });
  const endpoint = udpEndpoint(name, socket, source, sink);
  const outcome = await exchange(local, endpoint, flags, context);
  clearTimeout(waiting);
  const { failure } = outcome;
  if (failure !== undefined || flags.replies === undefined || source.received >= flags.replies)
    return outcome;
  return { ...outcome, failure: tooFewReplies(name, source.received, flags.replies, waitMs) };
}

/** A socket connected to the target, so that the system tells when its port is closed. */
async function open(
  { address, family }: ResolvedAddress,
  name: string,
  { port, source }: Target,
  flags: Flags,
  { signal }: Context,
): Promise<Socket> {
  const options = udpOptionsOf(flags);
  const socket = createUdpSocket(family, false, options);
  await bindUdp(socket, source ? hostPort(source.address, source.port) : "a local port", {
    address: source?.address,
    port: source?.port ?? 0,
  });
  try {
    setUdpOptions(socket, family, options);
    if (source !== undefined && isMulticast(address)) socket.setMulticastInterface(source.address);
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      socket.once("error", reject);
      socket.connect(port, address, () => {
        socket.off("error", reject);
        resolve();
      });
    });
    return socket;
  } catch (error) {
    socket.close();
    throw systemError(`cannot send to ${name}`, error, {
      address,
      port,
      ...broadcastHint(error, name, flags),
    });
  }
}

function broadcastHint(error: unknown, name: string, flags: Flags): { message?: string } {
  if (codeOf(error) !== "EACCES" || flags.broadcast) return {};
  return {
    message: `cannot send to ${name}: permission denied (EACCES); a broadcast address needs --broadcast`,
  };
}

function refusedDatagram(
  name: string,
  error: unknown,
  address: string,
  port: number,
): PortcatError {
  return systemError(`cannot send to ${name}`, error, { address, port });
}

function tooFewReplies(name: string, got: number, wanted: number, waitMs: number): PortcatError {
  return new PortcatError(
    `${name} sent ${String(got)} of ${String(wanted)} replies within ${String(waitMs / 1000)} s (ETIMEDOUT)`,
    { exitCode: ExitCode.timedOut, code: "ETIMEDOUT" },
  );
}

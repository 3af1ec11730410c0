import type { Socket } from "node:dgram";
import type { FramingFlags, UdpFlags } from "../../cli/options.ts";
import { stdinIsTerminal } from "../../endpoints/stdin.ts";
import { stdoutIsTerminal } from "../../endpoints/stdout.ts";
import { descriptorOfDatagrams } from "../../endpoints/socket-handle.ts";
import { droppedDatagrams } from "../../endpoints/socket-tables.ts";
import type { UdpOptions } from "../../endpoints/udp-socket.ts";
import type { UdpSink, UdpSource } from "../../endpoints/udp.ts";
import { BatchedSink } from "../../flow/batched-sink.ts";
import type { Source, Stage } from "../../flow/chunk.ts";
import { DescriptorSink } from "../../flow/descriptor-sink.ts";
import { type Framing, longestDatagram } from "../../flow/framing.ts";
import { type Outcome, relay } from "../../flow/relay.ts";
import { announce } from "../../flow/stages/announce.ts";
import { dump } from "../../flow/stages/dump.ts";
import { printable } from "../../flow/stages/printable.ts";
import type { Context } from "../context.ts";
import { stdoutFor } from "./session.ts";

export interface WatchingFlags {
  timeout?: number;
  hex?: boolean;
  raw?: boolean;
}

export function udpOptionsOf(flags: UdpFlags): UdpOptions {
  return {
    join: flags.join ?? [],
    ttl: flags.ttl,
    loopback: flags.loopback,
    broadcast: flags.broadcast ?? false,
    receiveBufferBytes: flags.receiveBuffer,
    sendBufferBytes: flags.sendBuffer,
    reusePort: flags.reusePort ?? false,
  };
}

/** How stdin is cut: as asked for, else a line at a time on a terminal, else all of it as one. */
export function framingOf({ lines, chunk }: FramingFlags, evenEmpty: boolean): Framing {
  if (chunk !== undefined) return { kind: "chunks", size: chunk };
  return lines || stdinIsTerminal() ? { kind: "lines" } : { kind: "whole", evenEmpty };
}

/** Joins a UDP socket to stdout and to a source of datagrams, up to its `closed` event. */
export async function exchange(
  source: Source | undefined,
  peer: ReturnType<typeof udpEndpoint>,
  flags: WatchingFlags & { idleTimeout?: number },
  context: Context,
): Promise<Outcome> {
  const { emit, mayEmit, signal } = context;
  const inbound: Stage[] = [];
  if (context.datagramsShown()) inbound.push(announce(emit));
  if (flags.hex) inbound.push(dump(1, "received", emit, mayEmit, longestDatagram));
  if (stdoutIsTerminal() && !flags.raw) inbound.push(printable);
  const begun = performance.now();
  const stdout = stdoutFor({}, context);
  const sink = stdout instanceof DescriptorSink ? new BatchedSink(stdout) : stdout;
  const outcome = await relay({ source, sink }, peer, {
    halfClose: true,
    allowHalfOpen: false,
    lingerMs: 200,
    idleTimeoutMs: flags.idleTimeout ?? 0,
    outbound: flags.hex ? [dump(1, "sent", emit, mayEmit, longestDatagram)] : [],
    inbound,
    signal,
  });
  emit({
    event: "closed",
    id: 1,
    peer: peer.name,
    received: outcome.received,
    sent: outcome.sent,
    datagrams: { received: peer.source.received, sent: peer.sink.sent },
    duration: Math.round(performance.now() - begun),
    reason: outcome.failure?.code ?? "end",
  });
  if (peer.source.dropped > 0)
    emit({
      event: "warning",
      message: `${String(peer.source.dropped)} datagrams were dropped: stdout was too slow for them`,
    });
  if (peer.lostBySystem > 0)
    emit({
      event: "warning",
      message: `the system dropped ${String(peer.lostBySystem)} datagrams: its buffer was full (see --receive-buffer)`,
    });
  return outcome;
}

/** An endpoint of a UDP socket. `lostBySystem` is known once it is closed. */
export function udpEndpoint(name: string, socket: Socket, source: UdpSource, sink: UdpSink) {
  const endpoint = {
    name,
    source,
    sink,
    lostBySystem: 0,
    close: () => {
      source.stop();
      sink.close();
      const descriptor = descriptorOfDatagrams(socket);
      if (descriptor !== undefined) endpoint.lostBySystem = droppedDatagrams(descriptor);
      socket.close();
    },
  };
  return endpoint;
}

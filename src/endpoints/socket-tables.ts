import { readFileSync } from "node:fs";
import type { Ends } from "../events.ts";

/**
 * Bytes that the peer's system has not acknowledged yet, from Linux's table of TCP sockets
 * (proc(5), /proc/net/tcp, column tx_queue); 0 where there is no such table.
 *
 * The system takes more from us only once a third of its buffer is free, which can be over a
 * mebibyte: without this a slow reader looks stuck for seconds.
 */
export function unacknowledged(ends: Ends): number {
  if (ends.transport !== "tcp") return 0;
  const key = portInHex(ends.local.port) + portInHex(ends.remote.port);
  return sendQueues().get(key) ?? 0;
}

/** How long one look at the table serves all connections. */
const snapshotMs = 50;
let snapshot = { at: -Infinity, queues: new Map<string, number>() };

/** What the system holds for each TCP connection, by the ports of its two ends. */
function sendQueues(): ReadonlyMap<string, number> {
  if (performance.now() - snapshot.at < snapshotMs) return snapshot.queues;
  const queues = new Map<string, number>();
  for (const [, local = "", remote = "", , held = ""] of socketTable("tcp"))
    queues.set(local.slice(-5) + remote.slice(-5), parseInt(held, 16));
  snapshot = { at: performance.now(), queues };
  return queues;
}

/**
 * Datagrams that the system dropped because the receive buffer of the socket on this port was full
 * (column drops); 0 where there is no such table.
 */
export function droppedDatagrams(port: number): number {
  const local = portInHex(port);
  let dropped = 0;
  for (const columns of socketTable("udp"))
    if (columns[1]?.endsWith(local)) dropped += Number(columns.at(-1) ?? 0);
  return dropped;
}

function portInHex(port: number): string {
  return `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** The rows, in columns, of Linux's tables of this transport's sockets over IPv4 and IPv6. */
function* socketTable(transport: "tcp" | "udp"): Generator<string[]> {
  if (process.platform !== "linux") return;
  for (const table of [transport, `${transport}6`]) {
    let text: string;
    try {
      text = readFileSync(`/proc/self/net/${table}`, "latin1");
    } catch {
      continue;
    }
    for (const line of text.split("\n").slice(1)) if (line !== "") yield line.trim().split(/\s+/);
  }
}

import { fstatSync, readFileSync } from "node:fs";

/**
 * Bytes that the peer's system has not acknowledged yet, from Linux's table of TCP sockets
 * (proc(5), /proc/net/tcp, column tx_queue); 0 where there is no such table. It may be 50 ms old.
 *
 * The system takes more from us only once a third of its buffer is free, which can be over a
 * mebibyte: without this a slow reader looks stuck for seconds.
 */
export function unacknowledged(descriptor: number): number {
  if (!hasTables) return 0;
  return sendQueues().get(inodeOf(descriptor)) ?? 0;
}

/** How long one look at the table serves all connections. */
const snapshotMs = 50;
let snapshot = { at: -Infinity, queues: new Map<string, number>() };

/** What the system holds for each TCP connection, by its inode. */
function sendQueues(): ReadonlyMap<string, number> {
  if (performance.now() - snapshot.at < snapshotMs) return snapshot.queues;
  const queues = new Map<string, number>();
  for (const columns of socketTable("tcp"))
    queues.set(columns[inodeColumn] ?? "", parseInt(columns[queuesColumn] ?? "", 16));
  snapshot = { at: performance.now(), queues };
  return queues;
}

/**
 * Datagrams that the system dropped because the receive buffer of this UDP socket was full (column
 * drops); 0 where there is no such table.
 */
export function droppedDatagrams(descriptor: number): number {
  if (!hasTables) return 0;
  const inode = inodeOf(descriptor);
  for (const columns of socketTable("udp"))
    if (columns[inodeColumn] === inode) return Number(columns.at(-1) ?? 0);
  return 0;
}

const hasTables = process.platform === "linux";
const queuesColumn = 4;
const inodeColumn = 9;

/** What tells a socket apart in the tables: several have the same ports, or hear the same one. */
function inodeOf(descriptor: number): string {
  return fstatSync(descriptor, { bigint: true }).ino.toString();
}

/** The rows, in columns, of Linux's tables of this transport's sockets over IPv4 and IPv6. */
function* socketTable(transport: "tcp" | "udp"): Generator<string[]> {
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

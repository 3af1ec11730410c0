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
  if (process.platform !== "linux" || ends.transport !== "tcp") return 0;
  const local = `:${portInHex(ends.local.port)}`;
  const remote = `:${portInHex(ends.remote.port)}`;
  for (const table of ["/proc/self/net/tcp", "/proc/self/net/tcp6"]) {
    let text: string;
    try {
      text = readFileSync(table, "latin1");
    } catch {
      continue;
    }
    for (const line of text.split("\n")) {
      const [, localEnd, remoteEnd, , queues] = line.trim().split(/\s+/, 5);
      if (localEnd?.endsWith(local) && remoteEnd?.endsWith(remote))
        return parseInt(queues ?? "0", 16);
    }
  }
  return 0;
}

function portInHex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, "0");
}

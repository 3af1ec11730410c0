import { readFileSync } from "node:fs";
import { onTestFinished } from "vitest";
import { silence } from "./content.ts";
import type { Running } from "./tool.ts";

/** What a process occupies now, or with VmHWM has occupied at most, in bytes; NaN once it is gone. */
export function memoryOf(running: Running, field: "VmRSS" | "VmHWM"): number {
  try {
    const status = readFileSync(`/proc/${String(running.child.pid)}/status`, "utf8");
    return 1024 * Number(new RegExp(`^${field}:\\s*(\\d+) kB`, "m").exec(status)?.[1]);
  } catch {
    return NaN;
  }
}

/** The most that a process occupied from now on, as far as can be seen before it is gone. */
export function watchMemory(running: Running): () => number {
  let most = 0;
  const look = () => {
    const now = memoryOf(running, "VmHWM");
    if (now > most) most = now;
  };
  const timer = setInterval(look, 20);
  onTestFinished(() => clearInterval(timer));
  return () => {
    look();
    clearInterval(timer);
    return most;
  };
}

/** Holds a process up, so that what is sent to it waits in the system. Returns what lets it go on. */
export async function holdUp(running: Running): Promise<() => void> {
  const stat = `/proc/${String(running.child.pid)}/stat`;
  running.child.kill("SIGSTOP");
  // pid (name) state …
  while (!/\) T /.test(readFileSync(stat, "latin1"))) await silence(1);
  return () => void running.child.kill("SIGCONT");
}

/** What Linux holds for the UDP socket on this port of 127.0.0.1, in bytes (proc(5), rx_queue). */
export function udpQueue(port: number): number {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = readFileSync("/proc/net/udp", "latin1").split("\n");
  const [, , , , queues = ""] =
    rows
      .find((row) => row.includes(local))
      ?.trim()
      .split(/\s+/) ?? [];
  return parseInt(queues.split(":")[1] ?? "", 16);
}

/** Waits until the process has read all that was sent to that port. */
export async function udpRead(port: number): Promise<void> {
  while (udpQueue(port) > 0) await silence(1);
}

/** Waits until something has come at a TCP port that nobody has read, of whatever address. */
export async function tcpUnread(port: number): Promise<void> {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  for (;;) {
    const rows = readFileSync("/proc/net/tcp", "latin1").split("\n");
    // sl local_address rem_address st tx_queue:rx_queue; 01 is the state of a connection.
    const found = rows.some((row) => {
      const [, at = "", , state, queues = ""] = row.trim().split(/\s+/);
      return at.endsWith(local) && state === "01" && parseInt(queues.split(":")[1] ?? "", 16) > 0;
    });
    if (found) return;
    await silence(5);
  }
}

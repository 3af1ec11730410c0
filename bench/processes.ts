import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

/** Why a measurement has no figure; its message is the tool's result. */
export class MeasureFailure extends Error {}

/** A descriptor, a pipe to the benchmark, or /dev/null. */
export type Stdio = number | "pipe" | "ignore";

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A process of a measurement. */
export interface Started {
  pid: number;
  exit: Promise<Exit>;
  stdin: ChildProcess["stdin"];
  /** What it wrote to stderr until now. */
  stderr(): string;
  /** The numbers of the first line of stdout not asked for before that starts with the word. */
  says(word: string): Promise<number[]>;
}

/** All groups of processes that have been started and not ended: the ones to kill when interrupted. */
const running = new Set<number>();

/** Ends whole groups at once: a tool, and the processes it has forked. */
export function killAll(pids: Iterable<number> = [...running]): void {
  for (const pid of pids) {
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // It has ended.
    }
    running.delete(pid);
  }
}

/** Nobody may be waiting for it when it fails. */
function unwatched<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** Starts a process in a group of its own. */
export function start(argv: string[], stdin: Stdio, stdout: Stdio): Started {
  const [program = "", ...rest] = argv;
  const child = spawn(program, rest, { stdio: [stdin, stdout, "pipe"], detached: true });
  const lines: string[] = [];
  const waiting: {
    word: string;
    resolve: (numbers: number[]) => void;
    reject: (error: Error) => void;
  }[] = [];
  const pid = child.pid ?? 0;
  if (pid !== 0) running.add(pid);
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    if (stderr.length < 1000) stderr += text;
  });
  child.stdin?.on("error", () => undefined);

  const take = (word: string): number[] | undefined => {
    const index = lines.findIndex((line) => line.split(" ", 1)[0] === word);
    if (index < 0) return undefined;
    return lines.splice(index, 1)[0]?.split(" ").slice(1).map(Number);
  };
  let ended = child.stdout === null;
  if (child.stdout !== null) {
    createInterface({ input: child.stdout })
      .on("line", (line) => {
        lines.push(line);
        for (const [index, { word, resolve }] of waiting.entries()) {
          const numbers = take(word);
          if (numbers === undefined) continue;
          waiting.splice(index, 1);
          resolve(numbers);
          break;
        }
      })
      .on("close", () => {
        ended = true;
        for (const { word, reject } of waiting) reject(silent(word));
      });
  }
  const silent = (word: string) =>
    new MeasureFailure(
      `${program.split("/").at(-1) ?? ""} ended without "${word}": ${stderr.trim()}`,
    );
  const says = (word: string) =>
    unwatched(
      new Promise<number[]>((resolve, reject) => {
        const numbers = take(word);
        if (numbers !== undefined) resolve(numbers);
        else if (ended) reject(silent(word));
        else waiting.push({ word, resolve, reject });
      }),
    );
  const exit = unwatched(
    new Promise<Exit>((resolve, reject) => {
      child.on("error", (error) => {
        reject(new MeasureFailure(`${program}: ${error.message}`));
      });
      child.on("exit", (code, signal) => {
        resolve({ code, signal });
      });
    }),
  );
  return { pid, exit, stdin: child.stdin, stderr: () => stderr, says };
}

/** A TCP port of 127.0.0.1 that nobody has; it is let go before it is used, as every tool must bind it itself. */
export async function freePort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.on("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return String(address.port);
}

/**
 * Waits until somebody listens, without connecting: some tools serve the first connection only.
 *
 * @param place - a TCP or UDP port, or the path of a UNIX socket
 */
export async function waitForListener(kind: "tcp" | "udp" | "unix", place: string): Promise<void> {
  const port = `:${Number(place).toString(16).toUpperCase().padStart(4, "0")}`;
  const isUp = (table: string): boolean =>
    readFileSync(`/proc/net/${table}`, "latin1")
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .some((fields) =>
        kind === "unix"
          ? fields[7] === place && fields[3] === "00010000" // __SO_ACCEPTCON
          : fields[1]?.endsWith(port) === true && (kind === "udp" || fields[3] === "0A"),
      );
  const tables = { tcp: ["tcp", "tcp6"], udp: ["udp", "udp6"], unix: ["unix"] }[kind];
  while (!tables.some(isUp)) await sleep(5);
}

/** A field of /proc/PID/status in KiB: VmRSS, VmHWM. 0 if the process has ended. */
export function memoryKiB(pid: number, field: "VmRSS" | "VmHWM"): number {
  try {
    const status = readFileSync(`/proc/${String(pid)}/status`, "latin1");
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Resident memory of a process and all it has forked (its group); what they share counts for each. */
export function groupMemoryKiB(group: number): number {
  let total = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      // After the name, which may hold spaces and brackets: state, parent, group.
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(fields[2]) === group) total += memoryKiB(Number(pid), "VmRSS");
    } catch {
      // It has ended meanwhile.
    }
  }
  return total;
}

/** The cores this process may use. */
export function usableCores(): number[] {
  const list = /^Cpus_allowed_list:\s+(\S+)/m.exec(
    readFileSync("/proc/self/status", "latin1"),
  )?.[1];
  return (list ?? "0").split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

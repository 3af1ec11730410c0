import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { complain } from "./report.ts";

/** Why a measurement has no figure; its message is the tool's result. */
export class MeasureFailure extends Error {}

/** Killed processes take no longer than this to end. */
const mostEndingMs = 30_000;

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
  /** The numbers, named in their order, of the first line of stdout not asked for before that starts with the word. */
  says<Name extends string>(word: string, ...names: Name[]): Promise<Record<Name, number>>;
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

/** Ends whole groups, and waits until nothing of them runs: what is measured next is to be alone. */
export async function endAll(pids: number[]): Promise<void> {
  killAll(pids);
  const groups = new Set(pids);
  for (const end = Date.now() + mostEndingMs; Date.now() < end; await sleep(5))
    if (!pids.some(isLeft) || membersOf(groups).length === 0) return;
  complain(`processes do not end: ${membersOf(groups).join(", ")}`);
}

/** True if the group has processes, be they only ones that have ended and were not waited for. */
function isLeft(group: number): boolean {
  try {
    return process.kill(-group, 0);
  } catch {
    return false;
  }
}

/** The processes of these groups that run. */
function membersOf(groups: Set<number>): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        // After the name, which may hold spaces and brackets: state, parent, group.
        const stat = readFileSync(`/proc/${String(pid)}/stat`, "latin1");
        const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return groups.has(Number(group)) && state !== "Z" && state !== "X";
      } catch {
        return false; // It has ended meanwhile.
      }
    });
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
  const line = (word: string) =>
    new Promise<number[]>((resolve, reject) => {
      const numbers = take(word);
      if (numbers !== undefined) resolve(numbers);
      else if (ended) reject(silent(word));
      else waiting.push({ word, resolve, reject });
    });
  const says = <Name extends string>(word: string, ...names: Name[]) =>
    unwatched(
      line(word).then((numbers) => {
        if (numbers.length < names.length || numbers.some(Number.isNaN))
          throw new MeasureFailure(`"${word} ${numbers.join(" ")}" is not ${names.join(", ")}`);
        return Object.fromEntries(names.map((name, index) => [name, numbers[index]])) as Record<
          Name,
          number
        >;
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
 * @param over - ends the waiting: the tool may never listen
 */
export async function waitForListener(
  kind: "tcp" | "udp" | "unix",
  place: string,
  over: AbortSignal,
): Promise<void> {
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
  while (!tables.some(isUp)) await sleep(5, undefined, { signal: over });
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

/** What a process's memory is counted as: its share of it (shared pages are divided), or all that is resident. */
export const groupMemoryKind = existsSync("/proc/self/smaps_rollup") ? "PSS" : "RSS";

function shareKiB(pid: number): number {
  try {
    const rollup = readFileSync(`/proc/${String(pid)}/smaps_rollup`, "latin1");
    return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0);
  } catch {
    return residentKiB(pid); // Not for us to read, or it has ended.
  }
}

/** Memory of a process and all it has forked (its group); with PSS what they share counts once. */
export function groupMemoryKiB(group: number): number {
  const memory = groupMemoryKind === "PSS" ? shareKiB : residentKiB;
  return membersOf(new Set([group])).reduce((total, pid) => total + memory(pid), 0);
}

function residentKiB(pid: number): number {
  return memoryKiB(pid, "VmRSS");
}

/** The numbers of "0,2-3". */
function numbersOf(list: string): number[] {
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** Threads of one physical core, as the system numbers its cores. */
function siblingsOf(core: number): number[] {
  try {
    const folder = `/sys/devices/system/cpu/cpu${String(core)}/topology`;
    return numbersOf(readFileSync(`${folder}/thread_siblings_list`, "latin1").trim());
  } catch {
    return [core];
  }
}

/** Two cores that this process may use, different physical ones if it can; undefined if it has one only. */
export function twoCores(): [number, number] | undefined {
  const status = readFileSync("/proc/self/status", "latin1");
  const list = /^Cpus_allowed_list:\s+(\S+)/m.exec(status)?.[1] ?? "0";
  const [first, ...others] = numbersOf(list);
  if (first === undefined || others[0] === undefined) return undefined;
  const siblings = siblingsOf(first);
  return [first, others.find((core) => !siblings.includes(core)) ?? others[0]];
}

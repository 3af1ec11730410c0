import { closeSync, constants, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cell, Figures, Mode, Scale } from "./cell.ts";
import {
  type Exit,
  endAll,
  killAll,
  MeasureFailure,
  start,
  type Started,
  type Stdio,
} from "./processes.ts";
import { fillIn, type ToolName, type Tools } from "./tools.ts";
import type { Workspace } from "./workspace.ts";

/** One measurement has no longer than this, and the time its bytes take at the slowest. */
const patienceMs = 90_000;
const slowestBytesPerMs = 50_000;

/** After a tool has ended, what is on its way to the far ends must have come within this. */
const afterwardsMs = 3_000;

/** After the far ends have seen all, a tool that ends by itself must have done so within this. */
const endedMs = 5_000;

/** What all measurements share. */
export interface Bench {
  scale: Scale;
  tools: Tools;
  node: string;
  portcat: string;
  workspace: Workspace;
  /** For the tool, and for everything else; none where there is only one. */
  cores: { tool: number; ends: number } | undefined;
}

/** Both ends of a pipe, as descriptors of the benchmark, closed at the end of the measurement at the latest. */
export interface Pipe {
  read: number;
  write: number;
}

interface Streams {
  stdin?: Stdio;
  stdout?: Stdio;
}

/** One measurement of one tool: starts processes, which end with it. */
export interface Attempt {
  bench: Bench;
  tool: ToolName;
  mode: Mode;
  /** Of all tools the same one, from 0; -1 for the one that does not count. */
  round: number;
  warmUp: boolean;
  /** Aborted when the measurement is over, however it ended. */
  over: AbortSignal;
  /** Starts a far end; its stdout is read by the benchmark unless it is a descriptor. */
  end(name: string, argv: (string | number)[], streams?: Streams): Started;
  /** Starts the tool. If it fails, so does the measurement; and if it ends and the far ends have not seen all soon after. */
  start(values: Record<string, string>, streams?: Streams): Started;
  /** The tool's arguments, for far ends that start it. */
  toolArguments(values: Record<string, string>): string[];
  /** A real pipe, which Node does not give. */
  pipe(): Promise<Pipe>;
  /** Closed when `close` or the measurement's end comes. */
  open(path: string, flags: string | number): number;
  /** Closes the benchmark's copy of what its children have by now. */
  close(...descriptors: number[]): void;
  /** A path that is free. */
  path(): string;
  /** Waits for the end of a tool that ends by itself. If it does not, or not with 0, the measurement fails. */
  ended(tool: Started): Promise<void>;
  /** Ends a tool that would go on, however it takes it: with a signal, and after a while by force. */
  stop(tool: Started, signal: NodeJS.Signals, waitMs: number): Promise<void>;
}

let paths = 0;

/** As many descriptors as the system lets us have. */
const raiseLimit = ["sh", "-c", 'ulimit -n "$(ulimit -Hn)"; exec "$@"', "sh"];

export function describeExit({ code, signal }: Exit, stderr: string): string {
  const how = signal === null ? `exit ${String(code)}` : signal;
  const said = stderr.trim().split("\n").slice(0, 2).join("; ");
  return `failed: ${how}${said === "" ? "" : `, ${said}`}`;
}

/** Measures once. @throws MeasureFailure */
export async function measureOnce(
  bench: Bench,
  cell: Cell,
  tool: ToolName,
  mode: Mode,
  round: number,
): Promise<Figures> {
  const started: Started[] = [];
  const stopping = new Set<Started>();
  const descriptors = new Set<number>();
  const over = new AbortController();
  let giveUp: (reason: MeasureFailure) => void = () => undefined;
  const givenUp = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  givenUp.catch(() => undefined);

  const pinned = (core: "tool" | "ends", argv: string[]) =>
    mode === "pinned" && bench.cores ? ["taskset", "-c", String(bench.cores[core]), ...argv] : argv;
  const launch = (argv: string[], { stdin = "ignore", stdout = "ignore" }: Streams) => {
    // After its end a measurement may still be on its way, and must not go on.
    over.signal.throwIfAborted();
    const process = start(cell.manyDescriptors ? [...raiseLimit, ...argv] : argv, stdin, stdout);
    started.push(process);
    process.exit.catch(giveUp);
    return process;
  };
  const commandLine = cell.tools[tool];
  const found = bench.tools[tool];
  if (typeof commandLine !== "string" || !found || "missing" in found)
    throw new MeasureFailure("cannot");
  const program = tool === "portcat" && cell.node ? [cell.node, bench.portcat] : found.argv;
  const failure = (what: string) => new MeasureFailure(`${what} (${commandLine})`);

  const attempt: Attempt = {
    bench,
    tool,
    mode,
    round,
    warmUp: round < 0,
    over: over.signal,
    end: (name, argv, streams = {}) =>
      launch(pinned("ends", [join(bench.workspace.ends, name), ...argv.map(String)]), {
        stdout: "pipe",
        ...streams,
      }),
    toolArguments: (values) =>
      pinned("tool", [...program, ...fillIn(commandLine, values).slice(1)]),
    start: (values, streams = {}) => {
      const process = launch(attempt.toolArguments(values), streams);
      const watch = async () => {
        const exit = await process.exit;
        if (stopping.has(process)) return;
        await sleep(exit.code === 0 ? afterwardsMs : 100, undefined, { signal: over.signal });
        giveUp(
          failure(
            exit.code === 0
              ? "failed: it ended, and not all bytes had come"
              : describeExit(exit, process.stderr()),
          ),
        );
      };
      watch().catch(() => undefined);
      return process;
    },
    pipe: async () => {
      const holder = attempt.end("pipe", []);
      const { read, write } = await holder.says("ready", "read", "write");
      const open = (descriptor: number, flags: number) =>
        attempt.open(`/proc/${String(holder.pid)}/fd/${String(descriptor)}`, flags);
      const pipe = { read: open(read, constants.O_RDONLY), write: open(write, constants.O_WRONLY) };
      killAll([holder.pid]);
      await holder.exit;
      return pipe;
    },
    open: (path, flags) => {
      over.signal.throwIfAborted();
      const descriptor = openSync(path, flags);
      descriptors.add(descriptor);
      return descriptor;
    },
    close: (...those) => {
      for (const descriptor of those) if (descriptors.delete(descriptor)) closeSync(descriptor);
    },
    path: () => join(bench.workspace.folder, `socket-${String((paths += 1))}`),
    ended: async (process) => {
      stopping.add(process);
      const late = sleep(endedMs, undefined, { signal: over.signal });
      const exit = await Promise.race([process.exit, late]);
      if (!exit) throw failure(`failed: it did not end within ${String(endedMs / 1000)} s`);
      if (exit.code !== 0) throw failure(describeExit(exit, process.stderr()));
    },
    stop: async (process, signal, waitMs) => {
      stopping.add(process);
      killGroup(process.pid, signal);
      await Promise.race([process.exit, sleep(waitMs, undefined, { signal: over.signal })]);
      killAll([process.pid]);
      await process.exit;
    },
  };
  const timer = setTimeout(
    () => {
      giveUp(new MeasureFailure("timed out"));
    },
    patienceMs + (cell.bytes ?? 0) / slowestBytesPerMs,
  );
  try {
    return await Promise.race([cell.measure(attempt), givenUp]);
  } finally {
    clearTimeout(timer);
    over.abort();
    attempt.close(...descriptors);
    await endAll(started.map(({ pid }) => pid).filter((pid) => pid !== 0));
    await Promise.allSettled(started.map(({ exit }) => exit));
  }
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended.
  }
}

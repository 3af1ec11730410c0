import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { UsageError } from "../arguments.ts";
import type { Attempt } from "../attempt.ts";
import type { Cell, Metric, Scale, Unable } from "../cell.ts";
import { freePort, MeasureFailure, memoryKiB, waitForListener } from "../processes.ts";
import type { OfTools } from "../tools.ts";
import { tcp } from "./throughput.ts";

/** From spawn to exit, in milliseconds. */
async function spawnTime(attempt: Attempt, input: string, argv: string[]): Promise<number> {
  const end = attempt.end("spawn-time", [input, ...argv]);
  const { ns, status } = await end.says("done", "ns", "status");
  if (status !== 0) throw new MeasureFailure(`failed: exit ${String(status)}`);
  return ns / 1e6;
}

/** portcat also as what it needs more than a bare Node, started just before. */
async function measureStart(attempt: Attempt, node: string, input: string, values = {}) {
  const isOwn = attempt.tool === "portcat";
  const bare = isOwn ? await spawnTime(attempt, "", [node, "-e", "0"]) : 0;
  const total = await spawnTime(attempt, input, attempt.toolArguments(values));
  return isOwn ? { total, over: total - bare } : { total };
}

function startMetrics(mostOverMs: number | undefined): Metric[] {
  return [
    { key: "total", label: "in all", unit: "ms", better: "lower", decimals: 1 },
    {
      key: "over",
      label: "over bare node",
      unit: "ms",
      better: "lower",
      decimals: 1,
      ...(mostOverMs === undefined ? {} : { target: { unpinned: { value: mostOverMs } } }),
    },
  ];
}

const elsewhere: Unable = { unable: "measured with one Node" };
const noSuchCommand: Unable = { unable: "has no such command" };

interface Start {
  name: string;
  mostOverMs?: number;
  connects?: true;
  tools: OfTools<string | Unable>;
}

const starts: Start[] = [
  {
    name: "start, version",
    mostOverMs: 8,
    tools: {
      portcat: "portcat --version",
      nc: "nc -h",
      ncat: "ncat --version",
      socat: "socat -V",
    },
  },
  {
    name: "start, address",
    mostOverMs: 12,
    tools: {
      portcat: "portcat address",
      nc: noSuchCommand,
      ncat: noSuchCommand,
      socat: noSuchCommand,
    },
  },
  { name: "start, connect, send, close", connects: true, tools: tcp.send },
];

function versionOf(node: string): string {
  try {
    return execFileSync(node, ["--version"], { encoding: "utf8" }).trim();
  } catch (error) {
    throw new UsageError(`--node ${node}: it does not start`, { cause: error });
  }
}

/**
 * How long a short run takes, and what portcat needs more than `node -e 0`.
 *
 * @param nodes - further Nodes to run portcat with
 */
export function startCells(scale: Scale, nodes: string[]): Cell[] {
  return [undefined, ...nodes].flatMap((node) => {
    const version = node === undefined ? "" : `, Node ${versionOf(node)}`;
    return starts.map(({ name, mostOverMs, connects, tools }): Cell => ({
      name: name + version,
      modes: ["unpinned"],
      rounds: scale.starts,
      metrics: startMetrics(mostOverMs),
      tools:
        node === undefined ? tools : { ...tools, nc: elsewhere, ncat: elsewhere, socat: elsewhere },
      ...(node === undefined ? {} : { node }),
      note: "from spawn to exit",
      measure: async (attempt) => {
        const program = node ?? attempt.bench.node;
        if (!connects) return measureStart(attempt, program, "");
        const sink = attempt.end("sink", [0]);
        const { port } = await sink.says("ready", "port");
        const figures = await measureStart(attempt, program, "0123456789", {
          PORT: String(port),
        });
        const { bytes } = await sink.says("done", "start", "end", "bytes");
        if (bytes !== 10) throw new MeasureFailure(`lost bytes: ${String(bytes)} of 10`);
        return figures;
      },
    }));
  });
}

/** Resident memory of a listener that nobody has come to yet. */
export function idleCells(scale: Scale): Cell[] {
  return [
    {
      name: "idle listener",
      modes: ["unpinned"],
      rounds: scale.fewRounds,
      warmUp: false,
      metrics: [
        { key: "memory", label: "memory (RSS)", unit: "MiB", better: "lower", decimals: 1 },
      ],
      tools: tcp.receive,
      measure: async (attempt) => {
        const port = await freePort();
        const tool = attempt.start({ PORT: port });
        await waitForListener("tcp", port, attempt.over);
        await sleep(300);
        const memory = memoryKiB(tool.pid, "VmRSS") / 1024;
        await attempt.stop(tool, "SIGTERM", 1000);
        return { memory };
      },
    },
  ];
}

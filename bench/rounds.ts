import { type Bench, measureOnce } from "./attempt.ts";
import type { Cell, Figures, Metric, Mode, Target } from "./cell.ts";
import { MeasureFailure } from "./processes.ts";
import { complain } from "./report.ts";
import type { Row, ToolResult } from "./results.ts";
import { type PeerName, type ToolName, toolNames } from "./tools.ts";

/** After so many failures in a row a tool is not tried again: each may cost the whole of a measurement's time. */
const mostFailures = 2;

export function median(values: number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)];
  const lower = sorted[Math.ceil(middle) - 1];
  return upper === undefined || lower === undefined ? null : (upper + lower) / 2;
}

/** More digits than these are noise. */
function rounded(value: number): number {
  return Number(value.toPrecision(5));
}

interface Measured {
  figures: Figures[];
  /** Of the counted rounds. */
  failures: string[];
}

/** Measures every tool once a round, beginning with another one in each. */
async function measureMode(bench: Bench, cell: Cell, mode: Mode): Promise<Map<ToolName, Measured>> {
  const measured = new Map<ToolName, Measured & { inARow: number }>();
  for (const tool of toolNames)
    if (typeof cell.tools[tool] === "string" && "argv" in (bench.tools[tool] ?? {}))
      measured.set(tool, { figures: [], failures: [], inARow: 0 });
  const tools = [...measured.keys()];
  const rounds = cell.rounds ?? bench.scale.rounds;
  for (let round = bench.scale.warmUp && cell.warmUp !== false ? -1 : 0; round < rounds; round++) {
    for (let turn = 0; turn < tools.length; turn++) {
      const tool = tools[(turn + Math.max(round, 0)) % tools.length];
      const state = tool && measured.get(tool);
      if (!tool || !state || state.inARow >= mostFailures) continue;
      try {
        const figures = await measureOnce(bench, cell, tool, mode, round);
        if (round >= 0) state.figures.push(figures);
        state.inARow = 0;
      } catch (error) {
        if (!(error instanceof MeasureFailure)) throw error;
        if (round >= 0) state.failures.push(withoutFolders(bench, error.message));
        else complain(`${cell.name}, warming up ${tool}: ${error.message}`);
        state.inARow++;
      }
    }
  }
  return measured;
}

/** Figures are to be compared between machines: no names of this one's temporary folders. */
function withoutFolders({ workspace }: Bench, text: string): string {
  return text.replaceAll(workspace.folder, "TMP").replaceAll(workspace.files, "TMP");
}

function inWords(target: Target, metric: Metric): string {
  const sign = metric.better === "higher" ? ">=" : "<=";
  return [
    target.value !== undefined && `${sign} ${String(target.value)} ${metric.unit}`,
    target.ratio !== undefined && `${sign} ${target.ratio.toFixed(2)}`,
    target.toPeer && `${sign} ${target.toPeer.ratio.toFixed(2)} of ${target.toPeer.peer}`,
    target.aheadOfPeers && "ahead of each peer",
  ]
    .filter((part) => typeof part === "string")
    .join(", ");
}

function isReached(
  target: Target,
  { better }: Metric,
  tools: Row["tools"],
  best: number | null,
): boolean {
  const { median: own, failures } = tools.portcat;
  if (own === null || failures.length > 0) return false;
  const within = (value: number, bound: number) =>
    better === "higher" ? value >= bound : value <= bound;
  if (target.value !== undefined && !within(own, target.value)) return false;
  // Without a peer there is nothing to be worse than.
  if (best === null) return true;
  if (target.ratio !== undefined && !within(own, target.ratio * best)) return false;
  const theirs = target.toPeer && tools[target.toPeer.peer]?.median;
  if (target.toPeer && theirs && !within(own, target.toPeer.ratio * theirs)) return false;
  return !target.aheadOfPeers || (own === best ? own === 0 : within(own, best));
}

function toRow(
  bench: Bench,
  cell: Cell,
  mode: Mode,
  metric: Metric,
  measured: Map<ToolName, Measured>,
): Row {
  const tools = Object.fromEntries(
    toolNames.flatMap((tool): [ToolName, ToolResult][] => {
      const commandLine = cell.tools[tool];
      if (commandLine === undefined) return [];
      const found = bench.tools[tool];
      const { figures = [], failures: failed = [] } = measured.get(tool) ?? {};
      const all = figures.flatMap((figure) => figure[metric.key] ?? []);
      const values = all.filter((value) => typeof value === "number").map(rounded);
      const failures = [...failed, ...all.filter((value) => typeof value === "string")];
      const none = { median: null, min: null, max: null };
      if (typeof commandLine !== "string")
        return [[tool, { values, ...none, failures: [commandLine.unable] }]];
      if (found && "missing" in found)
        return [[tool, { command: commandLine, values, ...none, failures: [found.missing] }]];
      const middle = median(values);
      const range =
        middle === null
          ? none
          : { median: middle, min: Math.min(...values), max: Math.max(...values) };
      return [[tool, { command: commandLine, values, ...range, failures }]];
    }),
  ) as Row["tools"];

  let bestPeer: PeerName | null = null;
  let best: number | null = null;
  for (const peer of toolNames) {
    const value = tools[peer]?.median ?? null;
    if (peer === "portcat" || value === null || metric.compared === false) continue;
    if (best === null || (metric.better === "higher" ? value > best : value < best)) {
      best = value;
      bestPeer = peer;
    }
  }
  const own = tools.portcat.median;
  const target = metric.target?.[mode];
  return {
    cell: cell.name,
    label: metric.label,
    mode,
    unit: metric.unit,
    better: metric.better,
    decimals: metric.decimals,
    tools,
    bestPeer,
    ratio: own === null || best === null || best === 0 ? null : own / best,
    target: target ? inWords(target, metric) : null,
    reached: target ? isReached(target, metric, tools, best) : null,
    ...(cell.note === undefined ? {} : { note: cell.note }),
  };
}

/** Measures a cell in all its modes: a row for each figure of each mode. */
export async function measureCell(bench: Bench, cell: Cell): Promise<Row[]> {
  const rows: Row[] = [];
  const modes = cell.modes.filter((mode) => mode === "unpinned" || bench.cores);
  for (const mode of modes.length > 0 ? modes : (["unpinned"] as const)) {
    const measured = await measureMode(bench, cell, mode);
    for (const metric of cell.metrics) rows.push(toRow(bench, cell, mode, metric, measured));
  }
  return rows;
}

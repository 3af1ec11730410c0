import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { format } from "prettier";
import { type Arguments, readArguments, usage, UsageError } from "./arguments.ts";
import type { Bench } from "./attempt.ts";
import { type Cell, fullScale, quickScale, type Scale } from "./cell.ts";
import { clientCells, shortConnectionCells } from "./cells/connections.ts";
import { growthCells } from "./cells/growth.ts";
import { roundTripCells } from "./cells/round-trip.ts";
import { scanCells } from "./cells/scan.ts";
import { idleCells, startCells } from "./cells/start.ts";
import { throughputCells } from "./cells/throughput.ts";
import { tlsCells } from "./cells/tls.ts";
import { udpReceiveCells, udpSendCells } from "./cells/udp.ts";
import { waitCells } from "./cells/wait.ts";
import { drawChart } from "./chart.ts";
import { busyShare, describeMachine } from "./machine.ts";
import { killAll, twoCores } from "./processes.ts";
import { complain, say } from "./report.ts";
import type { Results, Row } from "./results.ts";
import { measureCell } from "./rounds.ts";
import { describeCell, describeResults } from "./table.ts";
import { findTools, isInstalled, type ToolName, toolNames, type Tools } from "./tools.ts";
import { makeWorkspace } from "./workspace.ts";

const resultsPath = join(__dirname, "results.json");
const chartPath = join(__dirname, "chart.svg");

function allCells(scale: Scale, nodes: string[]): Cell[] {
  return [
    ...throughputCells(scale),
    ...tlsCells(scale),
    ...roundTripCells(scale),
    ...udpReceiveCells(scale),
    ...udpSendCells(scale),
    ...clientCells(scale),
    ...shortConnectionCells(scale),
    ...startCells(scale, nodes),
    ...idleCells(scale),
    ...waitCells(scale),
    ...scanCells(scale),
    ...growthCells(scale),
  ];
}

function chooseCells(cells: Cell[], { only, rounds }: Arguments): Cell[] {
  const isName = (text: string) => cells.some(({ name }) => name === text);
  const chosen = cells.filter(
    ({ name }) =>
      only.length === 0 ||
      only.some((text) => (isName(text) ? name === text : name.includes(text))),
  );
  if (chosen.length === 0) throw new UsageError(`--only: no cell is named so; --list names them`);
  return rounds === undefined ? chosen : chosen.map((cell) => ({ ...cell, rounds }));
}

function versionsOf(tools: Tools): Record<string, string> {
  return Object.fromEntries([
    ["node", process.version],
    ...toolNames.flatMap((tool): [ToolName, string][] => {
      const found = tools[tool];
      if (!found) return [];
      return [[tool, "missing" in found ? `missing: ${found.missing}` : found.version]];
    }),
  ]);
}

/** Draws what results.json has. */
function writeChart(): void {
  if (!existsSync(resultsPath)) throw new UsageError("--chart: there is no results.json yet");
  replaceFile(chartPath, drawChart(JSON.parse(readFileSync(resultsPath, "utf8")) as Results));
}

/** Whoever reads the file meanwhile, or stops the benchmark, has the old one or the new one. */
function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

async function writeResults(results: Results): Promise<void> {
  // As the other files are formatted, so that it can be kept beside them.
  const text = await format(JSON.stringify(results), { parser: "json", printWidth: 100 });
  replaceFile(resultsPath, text);
}

/**
 * The chosen cells in turn; each is shown, and saved if that is asked for, as soon as it is measured.
 *
 * @param all - with the ones that were not chosen
 */
async function measure(
  bench: Bench,
  cells: Cell[],
  all: Cell[],
  given: Arguments,
): Promise<Results> {
  const rows: Row[] = [];
  const { scale, tools } = bench;
  const results: Results = {
    scale: scale.name,
    rounds: scale.rounds,
    complete: false,
    measured: [],
    left: all.map(({ name }) => name),
    versions: versionsOf(tools),
    machine: describeMachine(),
    rows,
  };
  for (const [name, text] of Object.entries({ ...results.versions, ...results.machine }))
    say(`${name}: ${text}`);
  let before = await busyShare();
  for (const cell of cells) {
    const figures = await measureCell(bench, cell);
    const after = await busyShare();
    const otherWork = Math.max(before, after);
    const measured = figures.map((row) => ({ ...row, otherWork }));
    before = after;
    rows.push(...measured);
    for (const line of describeCell(measured, given.targets)) say(line);
    results.measured.push(cell.name);
    results.left = results.left.filter((name) => name !== cell.name);
    results.complete = results.left.length === 0;
    if (isSaved(given)) {
      await writeResults(results);
      writeChart();
    }
  }
  return results;
}

/** By itself only what is worth keeping. */
function isSaved({ save, quick, only }: Arguments): boolean {
  return save || (!quick && only.length === 0);
}

/** The tools that these cells need. */
function neededBy(cells: Cell[]): ToolName[] {
  return toolNames.filter((name) => cells.some(({ tools }) => typeof tools[name] === "string"));
}

function prepare(given: Arguments, scale: Scale, cells: Cell[]): Bench {
  if (process.platform !== "linux") throw new UsageError("this needs Linux: it reads /proc");
  if (!isInstalled("cc", "--version"))
    throw new UsageError("a C compiler, cc, is missing: the far ends are C programs");
  if (!existsSync(given.portcat))
    throw new UsageError(`no ${given.portcat}; \`npm run build\` makes the program`);
  const tools = findTools(neededBy(cells), process.execPath, given.portcat, given.install);
  if ("missing" in tools.portcat) throw new UsageError(`portcat ${tools.portcat.missing}`);
  const [ends, tool] = twoCores() ?? [];
  const canPin = isInstalled("taskset", "--version");
  const cores = canPin && ends !== undefined && tool !== undefined ? { tool, ends } : undefined;
  if (!cores) complain("one core, or no taskset: only unpinned");
  const { portcat } = given;
  // The input, the output, and a rest for the smaller files.
  const workspace = makeWorkspace(2.5 * scale.throughputBytes);
  return { scale, tools, node: process.execPath, portcat, cores, workspace };
}

async function main(): Promise<void> {
  const given = readArguments(process.argv.slice(2));
  if (given.help) {
    say(usage);
    return;
  }
  if (given.chart) {
    writeChart();
    return;
  }
  const chosenScale = given.quick ? quickScale : fullScale;
  const { rounds } = given;
  const scale = rounds === undefined ? chosenScale : { ...chosenScale, rounds };
  const all = allCells(scale, given.nodes);
  const cells = chooseCells(all, given);
  if (given.list) {
    for (const { name } of cells) say(name);
    return;
  }
  const bench = prepare(given, scale, cells);
  const interrupted = (signal: NodeJS.Signals) => {
    killAll();
    bench.workspace.remove();
    process.exit(signal === "SIGINT" ? 130 : 143);
  };
  process.on("SIGINT", interrupted).on("SIGTERM", interrupted);
  try {
    const results = await measure(bench, cells, all, given);
    for (const line of describeResults(results, given.targets)) say(line);
  } finally {
    killAll();
    bench.workspace.remove();
  }
}

main().catch((error: unknown) => {
  const isUsage = error instanceof UsageError;
  complain(isUsage ? error.message : String(error instanceof Error ? error.stack : error));
  process.exitCode = isUsage ? 2 : 1;
});

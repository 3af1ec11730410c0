import type { Results, Row, ToolResult } from "./results.ts";
import { type ToolName, toolNames } from "./tools.ts";

/** Lines of left-aligned first and right-aligned other columns. */
function columns(rows: string[][], leftColumns: number[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((text, column) => {
        const width = widths[column] ?? 0;
        return leftColumns.includes(column) ? text.padEnd(width) : text.padStart(width);
      })
      .join("  ")
      .trimEnd(),
  );
}

export function rowName({ cell, label }: Row): string {
  return label === "" ? cell : `${cell}, ${label}`;
}

/** More of the processors' time than this, taken by other work, and the figures are not worth much. */
const mostOtherWork = 0.1;

/** The number that stands for a remark. */
function numberOf(remark: string, remarks: string[]): string {
  if (!remarks.includes(remark)) remarks.push(remark);
  return `[${String(remarks.indexOf(remark) + 1)}]`;
}

/** The row's name; a number points at other work that was done meanwhile. */
function markedName(row: Row, remarks: string[]): string {
  const { otherWork = 0 } = row;
  if (otherWork <= mostOtherWork) return rowName(row);
  const remark = `other work took more than ${String(100 * mostOtherWork)} % of the processors`;
  return `${rowName(row)} ${numberOf(remark, remarks)}`;
}

/** A figure as text; 0 without digits after the point, as it is not a rounded one. */
export function amount(figure: number, decimals: number): string {
  return figure === 0 ? "0" : figure.toFixed(decimals);
}

/** The least and the most, where there are several. */
function spread({ decimals }: Row, result: ToolResult | undefined): string {
  if (!result) return "";
  const { values, min, max } = result;
  if (values.length < 2 || min === null || max === null) return "";
  return `${min.toFixed(decimals)}-${max.toFixed(decimals)}`;
}

/** portcat's median to the best peer's; that of a best peer's 0 has no value, and stays as it is. */
function ratioText({ ratio, bestPeer, tools, decimals }: Row): string {
  if (ratio !== null) return ratio.toFixed(2);
  const own = tools.portcat.median;
  return own === null || bestPeer === null ? "-" : `${amount(own, decimals)}/0`;
}

/** A median, or a dash; a number points at why some or all rounds have no figure. */
function figure({ decimals }: Row, result: ToolResult, remarks: string[]): string {
  const text = result.median === null ? "-" : result.median.toFixed(decimals);
  if (result.failures.length === 0) return text;
  const rounds = result.values.length + result.failures.length;
  const count =
    result.median === null ? "" : `${String(result.failures.length)} of ${String(rounds)} rounds: `;
  const remark = count + [...new Set(result.failures)].join(" | ");
  return `${text} ${numberOf(remark, remarks)}`;
}

/** The tools that have a part in it, with their figures. */
function resultsOf({ tools }: Row): [ToolName, ToolResult][] {
  return toolNames.flatMap((tool): [ToolName, ToolResult][] => {
    const result = tools[tool];
    return result ? [[tool, result]] : [];
  });
}

function toolsOf(row: Row): ToolName[] {
  return resultsOf(row).map(([tool]) => tool);
}

const headsBefore = ["", "mode", "unit"];
const headsBehind = ["ratio", "to", "portcat min-max", "best min-max", "better"];

/** A column for each tool of the first row: all rows have the same ones. */
function tableLines(rows: Row[], remarks: string[], targets: boolean): string[] {
  const tools = rows[0] ? toolsOf(rows[0]) : [];
  const body = rows.map((row) => [
    markedName(row, remarks),
    row.mode,
    row.unit,
    ...resultsOf(row).map(([, result]) => figure(row, result, remarks)),
    ratioText(row),
    row.bestPeer ?? "",
    spread(row, row.tools.portcat),
    row.bestPeer === null ? "" : spread(row, row.tools[row.bestPeer]),
    row.better,
    ...(targets
      ? [row.target ?? "", row.reached === null ? "" : row.reached ? "reached" : "MISSED"]
      : []),
  ]);
  const heads = [...headsBefore, ...tools, ...headsBehind, ...(targets ? ["target", ""] : [])];
  const left = ["", "mode", "unit", "to", "better", "target"];
  return columns(
    [heads, ...body],
    heads.flatMap((head, column) => (left.includes(head) ? [column] : [])),
  );
}

/** Rows of the same tools, in the order of the first of each. */
function byTools(rows: Row[]): Row[][] {
  const parts = new Map<string, Row[]>();
  for (const row of rows) {
    const names = toolsOf(row).join(" ");
    parts.set(names, [...(parts.get(names) ?? []), row]);
  }
  return [...parts.values()];
}

/** One cell, as soon as it is measured: the command lines, then its rows. */
export function describeCell(rows: Row[], targets: boolean): string[] {
  const [first] = rows;
  if (!first) return [];
  const remarks: string[] = [];
  const table = tableLines(rows, remarks, targets);
  return [
    "",
    `${first.cell}${first.note === undefined ? "" : ` (${first.note})`}`,
    ...resultsOf(first).map(
      ([tool, { command, failures }]) =>
        `    ${(command ?? `${tool}: - (${failures.join("")})`).trimEnd()}`,
    ),
    ...table.map((line) => `  ${line}`),
    ...remarks.map((remark, index) => `  [${String(index + 1)}] ${remark}`),
  ];
}

/**
 * The whole table, in parts for different tools: medians, and the ratio of portcat's to the best peer's.
 *
 * @param targets - show also our goals, and which are reached
 */
export function describeResults({ rows }: Results, targets: boolean): string[] {
  const remarks: string[] = [];
  const tables = byTools(rows).flatMap((some) => [...tableLines(some, remarks, targets), ""]);
  const marked = rows.filter(({ reached }) => reached !== null);
  const reached = marked.filter((row) => row.reached).length;
  return [
    "",
    "Medians; the ratio is portcat's to the best peer's of that row, min-max are these two's over the rounds. The pinned ratio is the one that counts.",
    "",
    ...tables,
    ...remarks.map((remark, index) => `[${String(index + 1)}] ${remark}`),
    ...(targets ? [`${String(reached)} of ${String(marked.length)} targets reached`] : []),
  ];
}

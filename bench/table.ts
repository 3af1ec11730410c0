import type { Results, Row, ToolResult } from "./results.ts";
import { toolNames } from "./tools.ts";

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

/** A median, or a dash; a number points at why some or all rounds have no figure. */
function figure({ decimals }: Row, result: ToolResult, remarks: string[]): string {
  const text = result.median === null ? "-" : result.median.toFixed(decimals);
  if (result.failures.length === 0) return text;
  const rounds = result.values.length + result.failures.length;
  const count =
    result.median === null ? "" : `${String(result.failures.length)} of ${String(rounds)} rounds: `;
  const remark = count + [...new Set(result.failures)].join(" | ");
  if (!remarks.includes(remark)) remarks.push(remark);
  return `${text} [${String(remarks.indexOf(remark) + 1)}]`;
}

const header = ["", "mode", "unit", ...toolNames, "ratio", "to", "better", "target", ""];

function tableLines(rows: Row[], remarks: string[]): string[] {
  const body = rows.map((row) => [
    rowName(row),
    row.mode,
    row.unit,
    ...toolNames.map((tool) => figure(row, row.tools[tool], remarks)),
    row.ratio?.toFixed(2) ?? "-",
    row.bestPeer ?? "",
    row.better,
    row.target ?? "",
    row.reached === null ? "" : row.reached ? "reached" : "MISSED",
  ]);
  return columns([header, ...body], [0, 1, 2, 8, 9, 10, 11]);
}

/** One cell, as soon as it is measured: the command lines, then its rows. */
export function describeCell(rows: Row[]): string[] {
  const [first] = rows;
  if (!first) return [];
  const remarks: string[] = [];
  const table = tableLines(rows, remarks);
  return [
    "",
    `${first.cell}${first.note === undefined ? "" : ` (${first.note})`}`,
    ...toolNames.map((tool) => {
      const { command, failures } = first.tools[tool];
      return `    ${(command ?? `${tool}: - (${failures.join("")})`).trimEnd()}`;
    }),
    ...table.map((line) => `  ${line}`),
    ...remarks.map((remark, index) => `  [${String(index + 1)}] ${remark}`),
  ];
}

/** The whole table: medians, and the ratio of portcat's to the best peer's. */
export function describeResults({ rows }: Results): string[] {
  const remarks: string[] = [];
  const table = tableLines(rows, remarks);
  const marked = rows.filter(({ reached }) => reached !== null);
  const reached = marked.filter((row) => row.reached).length;
  return [
    "",
    "Medians; the ratio is portcat's to the best peer's of that row. The pinned ratio is the one that counts.",
    "",
    ...table,
    "",
    ...remarks.map((remark, index) => `[${String(index + 1)}] ${remark}`),
    `${String(reached)} of ${String(marked.length)} targets reached`,
  ];
}

import type { Results, Row } from "./results.ts";
import { amount, rowName } from "./table.ts";
import { type ToolName, toolNames } from "./tools.ts";

/** Pixels. */
const width = 800;
const rowHeight = 22;
const barLeft = 270;
const barRight = 560;

/** Of small text. */
const lineHeight = 18;
const mostLetters = 130;

/** Bars end here; a longer one has its end left open. */
const mostRatio = 2;

const style = `
    text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
    .small { font-size: 12px; fill: #59636e; }
    .strong { font-weight: 600; }
    .ground { fill: #ffffff; stroke: #d1d9e0; }
    .ahead { fill: #1a7f9c; }
    .behind { fill: #d9822b; }
    .other { fill: none; stroke: #59636e; stroke-width: 1.5; }
    .one { stroke: #1f2328; stroke-width: 1.5; }
    .grid { stroke: #d1d9e0; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .small { fill: #9da7b1; }
      .ground { fill: #0d1117; stroke: #3d444d; }
      .ahead { fill: #3fb6d3; }
      .other { stroke: #9da7b1; }
      .one { stroke: #e6edf3; }
      .grid { stroke: #3d444d; }
    }`;

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function text(x: number, y: number, content: string, kind = "", anchor = "start"): string {
  const attributes = `${kind === "" ? "" : ` class="${kind}"`}${anchor === "start" ? "" : ` text-anchor="${anchor}"`}`;
  return `<text x="${String(x)}" y="${String(y)}"${attributes}>${escape(content)}</text>`;
}

function xOf(ratio: number): number {
  const x = barLeft + ((barRight - barLeft) * Math.min(ratio, mostRatio)) / mostRatio;
  return Math.round(x * 10) / 10;
}

/** portcat's figure and the best peer's, in words. */
function figuresInWords({ bestPeer, decimals, unit, tools }: Row): string {
  const figure = (tool: ToolName | null) => {
    const median = tool && tools[tool]?.median;
    return typeof median !== "number" ? "no figure" : `${amount(median, decimals)} ${unit}`;
  };
  return `${figure("portcat")} (best peer ${figure(bestPeer)})`;
}

/** False where a figure is 0 or missing. */
function hasLength(ratio: number | null): ratio is number {
  return ratio !== null && ratio > 0;
}

/** A bar; or words, where it has no length. */
function line(row: Row, unpinned: Row | undefined, y: number): string[] {
  const { ratio, bestPeer, better, decimals, unit, tools } = row;
  if (bestPeer === null) return [];
  const middle = y + rowHeight / 2;
  const name = text(barLeft - 8, middle + 4, rowName(row), "", "end");
  if (!hasLength(ratio))
    return [name, text(barRight + 8, middle + 4, figuresInWords(row), "small")];
  const isAhead = better === "higher" ? ratio >= 1 : ratio <= 1;
  const figure = (tool: "portcat" | typeof bestPeer) =>
    tools[tool]?.median?.toFixed(decimals) ?? "-";
  const other = unpinned?.ratio;
  return [
    name,
    `<rect class="${isAhead ? "ahead" : "behind"}" x="${String(barLeft)}" y="${String(y + 4)}" width="${String(Math.round((xOf(ratio) - barLeft) * 10) / 10)}" height="${String(rowHeight - 8)}"/>`,
    ...(other === null || other === undefined
      ? []
      : [`<circle class="other" cx="${String(xOf(other))}" cy="${String(middle)}" r="4"/>`]),
    text(
      barRight + 8,
      middle + 4,
      ratio > mostRatio ? `→ ${ratio.toFixed(ratio < 10 ? 2 : 0)}` : ratio.toFixed(2),
      "strong",
    ),
    text(
      barRight + 70,
      middle + 4,
      `${figure("portcat")} : ${figure(bestPeer)} ${unit} (${bestPeer})`,
      "small",
    ),
  ];
}

/** "nc, ncat and socat". */
function listed(names: string[]): string {
  return names.length < 2
    ? names.join("")
    : `${names.slice(0, -1).join(", ")} and ${names.at(-1) ?? ""}`;
}

/** A text, parted behind commas where it is longer than the chart is wide. */
function linesOf(words: string): string[] {
  const at = words.length > mostLetters ? words.lastIndexOf(", ", mostLetters) : -1;
  return at < 0 ? [words] : [words.slice(0, at + 1), ...linesOf(words.slice(at + 2))];
}

/** A line for each row that peers have a figure in: the pinned one, where there is one, with the unpinned one as a ring. */
export function drawChart({ rows, versions, complete, measured, left }: Results): string {
  const unpinnedOf = (row: Row) =>
    rows.find((other) => other.mode === "unpinned" && rowName(other) === rowName(row));
  const shown = rows.filter(
    (row) =>
      row.bestPeer !== null &&
      (row.mode === "pinned" ||
        !rows.some((other) => other.mode === "pinned" && rowName(other) === rowName(row))),
  );
  const parts: string[] = [];
  const all = measured.length + left.length;
  const part = complete ? "" : ` (${String(measured.length)} of ${String(all)} cells)`;
  const compared = toolNames.filter((tool) => shown.some(({ tools }) => tools[tool]));
  const peers = listed(compared.filter((tool) => tool !== "portcat"));
  const named = compared.map((tool) => versions[tool] ?? tool);
  const head = [
    ...linesOf(`${named.join(", ")}; Node ${versions["node"] ?? ""}`),
    "Bar: the tool alone on one core, where that was measured. Ring: not pinned. Figures: portcat : best peer.",
  ];
  parts.push(text(16, 28, `portcat to the best of ${peers}${part}`, "strong"));
  let y = 48;
  for (const words of head) {
    parts.push(text(16, y, words, "small"));
    y += lineHeight;
  }
  const grid: string[] = [];
  for (const better of ["higher", "lower"] as const) {
    const group = shown.filter((row) => row.better === better);
    if (group.length === 0) continue;
    const heading = better === "higher" ? "More is better" : "Less is better";
    parts.push(text(16, y + 16, heading, "strong"));
    const top = y + rowHeight + 4;
    y = top;
    for (const row of group) {
      parts.push(...line(row, row.mode === "pinned" ? unpinnedOf(row) : undefined, y));
      y += rowHeight;
    }
    for (const ratio of [0, 0.5, 1, 1.5, 2]) {
      const x = String(xOf(ratio));
      const kind = ratio === 1 ? "one" : "grid";
      const rule = `<line class="${kind}" x1="${x}" y1="${String(top)}" x2="${x}" y2="${String(y)}"/>`;
      // The line at 1 is over the bars, the others are under them.
      (ratio === 1 ? parts : grid).push(rule);
      parts.push(text(xOf(ratio), y + 14, ratio.toFixed(1), "small", "middle"));
    }
    y += 32;
  }
  const summary = shown
    .map((row) => {
      const figures = hasLength(row.ratio) ? row.ratio.toFixed(2) : figuresInWords(row);
      return `${rowName(row)}: ${figures} (${row.better} is better)`;
    })
    .join("; ");
  const height = String(y + 4);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${height}" viewBox="0 0 ${String(width)} ${height}" role="img" aria-labelledby="title description">
  <title id="title">How portcat's figures compare with those of ${peers}</title>
  <desc id="description">The ratio of portcat's median to the best peer's. ${escape(summary)}.</desc>
  <style>${style}
  </style>
  <rect class="ground" x="0.5" y="0.5" width="${String(width - 1)}" height="${String(y + 3)}" rx="6"/>
  ${[...grid, ...parts].join("\n  ")}
</svg>
`;
}

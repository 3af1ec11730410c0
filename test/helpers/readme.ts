import { readFileSync } from "node:fs";
import { resolve } from "node:path";

const text = readFileSync(resolve(import.meta.dirname, "../../README.md"), "utf8");

/** The lines of fenced code, and the text of code spans outside of it. */
export const fencedLines: string[] = [];
export const codeSpans: string[] = [];

let fenced = false;
for (const line of text.split("\n")) {
  if (line.startsWith("```")) fenced = !fenced;
  else if (fenced) fencedLines.push(line);
  else codeSpans.push(...spansOf(line));
}

/** The text of the code spans in a piece of Markdown. */
export function spansOf(markdown: string): string[] {
  // In a table a bar is written with a backslash.
  return Array.from(markdown.matchAll(/`([^`]+)`/g), ([, span = ""]) =>
    span.replaceAll("\\|", "|"),
  );
}

/** The body rows of the table whose header begins with this cell, as cells. */
export function tableUnder(header: string): string[][] {
  const rows = tablesUnder(header);
  if (rows.length === 0) throw new Error(`README.md has no table '${header}'`);
  return rows;
}

/** The body rows of all such tables. */
export function tablesUnder(header: string): string[][] {
  const found: string[][] = [];
  let first: string | undefined;
  for (const line of text.split("\n")) {
    const cells = line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim());
    if (cells.length === 0) first = undefined;
    else if (first === undefined) first = cells[0] ?? "";
    else if (first === header && !/^-+$/.test(cells[0] ?? "")) found.push(cells);
  }
  return found;
}

/** The fenced blocks of a language, without their fences. */
export function blocksOf(language: string): string[] {
  const blocks = text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms"));
  return Array.from(blocks, ([, text = ""]) => text);
}

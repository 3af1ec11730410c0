import { type Command, InvalidArgumentError, Option } from "commander";
import { parseHeader, type TypedHeader } from "./http-header.ts";
import { parsePath, parsePositiveTime, wholeNumber } from "./values.ts";

/** How requests are answered. Times are milliseconds. */
export interface AnswerOptions {
  status?: number;
  header?: TypedHeader[];
  body?: BodyOption;
  echo?: boolean;
  serve?: string;
  delay?: number;
}

/** A body as typed: a text, or @ and the path of a file. */
export type BodyOption = { readonly text: string } | { readonly path: string };

export function answerOptions(command: Command): void {
  command
    .addOption(
      new Option("--status <n>", "the status of every answer (200)")
        .argParser(parseStatus)
        .conflicts("serve"),
    )
    .addOption(headerOption("a header of every answer (repeatable)"))
    .addOption(
      new Option("--body <text|@file>", "the body of every answer")
        .argParser(parseBody)
        .conflicts(["echo", "serve"]),
    )
    .addOption(new Option("--echo", "answer with the request itself, as JSON").conflicts("serve"))
    .option("--serve <dir>", "answer with the files in this folder", parsePath)
    .option("--delay <time>", "wait before every answer", parsePositiveTime);
}

export const headerOption = (what: string): Option =>
  new Option("--header <name:value>", what).argParser((text, before: TypedHeader[] | undefined) => [
    ...(before ?? []),
    parseHeader(text),
  ]);

/** Reads the status of an answer, 200 to 599. */
export function parseStatus(text: string): number {
  if (/^1\d\d$/.test(text))
    throw new InvalidArgumentError(
      "expected a status from 200 to 599: one of 1xx comes before an answer, and is none",
    );
  return wholeNumber(200, 599)(text);
}

/** Reads a text, or the path of a file after @. */
export function parseBody(text: string): BodyOption {
  if (!text.startsWith("@")) return { text };
  if (text === "@") throw new InvalidArgumentError("expected the path of a file after @");
  if (text === "@-")
    throw new InvalidArgumentError("stdin is not read: every answer has the same body");
  return { path: text.slice(1) };
}

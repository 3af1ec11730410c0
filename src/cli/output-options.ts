import { type Command, Option } from "commander";

/** What is said on stderr. Known to the program as a whole and to each command, so that -kv works too. */
export interface OutputOptions {
  quiet?: boolean;
  verbose?: boolean;
  json?: boolean;
  color: boolean;
}

export function outputOptions(command: Command): void {
  command
    .addOption(new Option("-q, --quiet", "say nothing but errors").conflicts("verbose"))
    .option("-v, --verbose", "say more: names resolved, addresses tried, socket options")
    .option(
      "--json",
      "events as NDJSON on stderr; the result of `address`, `scan` and `wait` as JSON on stdout",
    )
    .option("--no-color", "no colours on stderr");
}

import { resolve } from "node:path";
import { parseArgs } from "node:util";

/** What was asked for on the command line. */
export interface Arguments {
  quick: boolean;
  only: string[];
  rounds: number | undefined;
  portcat: string;
  nodes: string[];
  list: boolean;
  targets: boolean;
  install: boolean;
  save: boolean;
  chart: boolean;
  help: boolean;
}

/** A command line that cannot be. */
export class UsageError extends Error {}

export const usage = `npm run bench -- [options]

Compare portcat with netcat-openbsd, ncat and socat, nmap, wait-on and wait-port, side by side.

  --quick           small sizes, three rounds: less than three minutes
  --only <text>     the cell named so; if none is, cells whose name contains it (repeatable)
  --rounds <n>      counted rounds of every cell (most 7, with --quick 3; some have fewer, starts more)
  --portcat <path>  another bin/portcat.js
  --node <path>     a further Node for the start cells (repeatable)
  --targets         show also our goals, and which are reached
  --install         install missing peers with apt-get and npm
  --save            write results.json and chart.svg, after each cell, also with --only or --quick
  --chart           only draw chart.svg from results.json
  --list            only print the cells' names
  --help            this`;

/** @throws UsageError */
export function readArguments(argv: string[]): Arguments {
  try {
    const { values } = parseArgs({
      args: argv,
      strict: true,
      options: {
        quick: { type: "boolean", default: false },
        only: { type: "string", multiple: true, default: [] },
        rounds: { type: "string" },
        portcat: { type: "string", default: resolve(__dirname, "../bin/portcat.js") },
        node: { type: "string", multiple: true, default: [] },
        list: { type: "boolean", default: false },
        targets: { type: "boolean", default: false },
        install: { type: "boolean", default: false },
        save: { type: "boolean", default: false },
        chart: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    const { rounds, portcat, node, ...rest } = values;
    if (rounds !== undefined && !/^[1-9]\d{0,3}$/.test(rounds))
      throw new UsageError(`--rounds: '${rounds}' is not a number from 1 to 9999`);
    return {
      ...rest,
      rounds: rounds === undefined ? undefined : Number(rounds),
      portcat: resolve(portcat),
      nodes: node.map((path) => (path.includes("/") ? resolve(path) : path)),
    };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

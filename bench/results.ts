import type { Metric, Mode } from "./cell.ts";
import type { OfTools, PeerName } from "./tools.ts";

/** A tool's figures in one row. */
export interface ToolResult {
  /** With PORT and PATH for what differed from round to round; absent if the tool cannot do it. */
  command?: string;
  /** One figure a round, in the order measured. */
  values: number[];
  median: number | null;
  min: number | null;
  max: number | null;
  /** What went wrong in the rounds that have no figure, or why the tool cannot do it. */
  failures: string[];
}

/** One figure of one cell in one mode. */
export interface Row {
  cell: string;
  label: string;
  mode: Mode;
  unit: string;
  better: Metric["better"];
  decimals: number;
  tools: OfTools<ToolResult>;
  bestPeer: PeerName | null;
  /** portcat's median to the best peer's. */
  ratio: number | null;
  /** In words; null where there is none. */
  target: string | null;
  reached: boolean | null;
  note?: string;
  /** The share of the processors' time that other work took just before or after, whichever was more. */
  otherWork?: number;
}

/** What was measured on what. */
export interface Results {
  scale: string;
  rounds: number;
  /** True once no cell is left. */
  complete: boolean;
  /** The names of the cells that were measured, in this order. */
  measured: string[];
  /** The names of the others, be they still to come or not asked for. */
  left: string[];
  versions: Record<string, string>;
  machine: Record<string, string>;
  rows: Row[];
}

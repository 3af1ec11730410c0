import type { Emit, Event, EventName } from "../events.ts";
import { isTerminal } from "../terminal.ts";
import { type Colors, inJson, inWords, plain } from "./event-words.ts";
import { inOneRow, LiveLines } from "./live-lines.ts";

export interface ReporterOptions {
  readonly json: boolean;
  readonly level: "quiet" | "normal" | "verbose";
  /** Whether lines are coloured; undefined decides by the environment and the terminal. */
  readonly color: boolean | undefined;
  /** Whether each datagram deserves a line for people: somebody is watching them come. */
  readonly showDatagrams: () => boolean;
  /** Whether stderr is a terminal on which a line can change in place. */
  readonly hasLiveLines: () => boolean;
}

export interface Reporter {
  readonly emit: Emit;
  /** To be called before something else is written to what may be the same terminal. */
  readonly settle: () => void;
}

type Level = ReporterOptions["level"];

const lowestLevel: Record<EventName, Level> = {
  error: "quiet",
  data: "quiet",
  warning: "normal",
  listening: "normal",
  connected: "normal",
  closed: "normal",
  request: "normal",
  response: "normal",
  refused: "normal",
  retry: "normal",
  datagram: "normal",
  timing: "normal",
  target: "normal",
  scanned: "normal",
  progress: "normal",
  redirect: "verbose",
  resolved: "verbose",
  trying: "verbose",
  option: "verbose",
};

const rank: Record<Level, number> = { quiet: 0, normal: 1, verbose: 2 };

/**
 * Makes the one place where events become output: a line for people, an NDJSON object, or nothing.
 *
 * @param write - is told whether a line is one that tells what happened, not a part of a dump
 */
export async function createReporter(
  options: ReporterOptions,
  write: (text: string, essential: boolean) => void,
): Promise<Reporter> {
  const colors = !options.json && useColor(options.color) ? await loadColors() : plain;
  const verbose = options.level === "verbose";
  let live: LiveLines | undefined;
  const showLive = (event: Event, key: string, lasts: boolean): boolean => {
    if (verbose || !options.hasLiveLines()) return false;
    live ??= new LiveLines((text) => write(text, true));
    return live.set(key, inWords(event, colors, false, inOneRow).trimEnd(), lasts);
  };
  const emit: Emit = (event) => {
    if (rank[lowestLevel[event.event]] > rank[options.level]) return;
    const essential = event.event !== "data";
    const isRepeated = event.event === "target" && event.state === "waiting" && !event.changed;
    if (event.event === "target" && !options.json && showLive(event, event.target, true)) return;
    if ((isRepeated || (event.event === "progress" && options.json)) && !verbose) return;
    if (options.json) return write(`${eventInJson(event)}\n`, essential);
    if (event.event === "progress") return void showLive(event, "progress", false);
    if (event.event === "datagram" && !options.showDatagrams() && !verbose) return;
    if (event.event === "timing" && !verbose) return;
    if (event.event === "response" && event.status < 200 && !verbose) return;
    if (event.event === "error" || event.event === "scanned") live?.settle();
    const words = inWords(event, colors, verbose);
    if (live === undefined) write(words, essential);
    else live.writeAbove(words);
  };
  return { emit, settle: () => live?.settle() };
}

/** What is told in the place of this many lines that a stuck stderr did not take. */
export function droppedLines(count: number, json: boolean): string {
  const message = `${String(count)} lines were dropped here, stderr was not read`;
  const event = { event: "warning", message } as const;
  return json ? `${eventInJson(event)}\n` : inWords(event, plain, false);
}

async function loadColors(): Promise<Colors> {
  const { Chalk } = await import("chalk");
  return new Chalk({ level: 1 });
}

/** --no-color, then FORCE_COLOR, then NO_COLOR (no-color.org), then whether stderr is a terminal. */
function useColor(asked: boolean | undefined): boolean {
  if (asked !== undefined) return asked;
  const { FORCE_COLOR, NO_COLOR, TERM } = process.env;
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== "0" && FORCE_COLOR !== "false";
  if (NO_COLOR !== undefined && NO_COLOR !== "") return false;
  return isTerminal(2) && TERM !== "dumb";
}

function eventInJson({ event, ...fields }: Event): string {
  return inJson({ event, time: new Date().toISOString(), ...fields });
}

import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { causeInWords, codeOf, PortcatError, signalExitCode } from "../../errors.ts";
import { isTerminal } from "../../terminal.ts";
import type { Context } from "../context.ts";

/** As shells have it for a command that cannot be run, and for one that is not there. */
const notRunnable = 126;
const notFound = 127;
const notThere = ["ENOENT", "ENOTDIR"];

/**
 * Runs a command in our place: with our stdin, stdout, stderr and signals, and its exit code ours.
 *
 * @throws PortcatError with its exit code where that is not 0; 127 or 126 where it cannot be run
 */
export async function runCommand(words: readonly string[], context: Context): Promise<void> {
  const [program = "", ...args] = words;
  let child: ChildProcess | undefined;
  context.handOverSignals((name) => {
    // What is typed at a terminal has gone to the command as well.
    if (!typed.includes(name) || !inForeground()) child?.kill(name);
  });
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>(
    (resolve, reject) => {
      const failed = (error: unknown) => reject(cannotRun(program, error));
      try {
        const { spawn } = process.getBuiltinModule("node:child_process");
        child = spawn(program, args, { stdio: "inherit" });
      } catch (error) {
        return failed(error);
      }
      child.once("error", failed);
      // From then on an error is about a signal, which it may not want from us.
      child.once("spawn", () => child?.off("error", failed).on("error", () => undefined));
      child.once("exit", (code, signal) => resolve([code, signal]));
    },
  );
  const exitCode = signal === null ? (code ?? 0) : signalExitCode(constants.signals[signal]);
  // Without a word: it has said itself what there is to say.
  if (exitCode !== 0) throw new PortcatError("", { exitCode });
}

function cannotRun(program: string, error: unknown): PortcatError {
  const code = codeOf(error);
  const exitCode = notThere.includes(code) ? notFound : notRunnable;
  const message = `cannot run ${program}: ${causeInWords(error)}`;
  return new PortcatError(message, { exitCode, code, cause: error });
}

/** Signals that a terminal sends to all processes in its foreground. */
const typed: readonly NodeJS.Signals[] = ["SIGINT", "SIGQUIT", "SIGWINCH"];

/** Whether we are of the process group that a terminal's ^C goes to (proc(5), tpgid). */
function inForeground(): boolean {
  let stat: string;
  try {
    stat = readFileSync("/proc/self/stat", "latin1");
  } catch {
    return [0, 1, 2].some(isTerminal);
  }
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return group === foreground;
}

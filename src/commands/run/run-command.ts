import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { causeInWords, codeOf, PortcatError, signalExitCode } from "../../errors.ts";
import { isTerminal } from "../../terminal.ts";
import type { Context } from "../context.ts";

/** As shells have it for a command that is not there, or cannot be run. */
const notFound = 127;
const notRunnable = 126;

/** Runs a command in our place: with our stdin, stdout, stderr and signals, and its exit code ours. */
export async function runCommand(words: readonly string[], context: Context): Promise<void> {
  const [program = "", ...args] = words;
  const { spawn } = process.getBuiltinModule("node:child_process");
  const child = spawn(program, args, { stdio: "inherit" });
  context.handOverSignals((name) => {
    // What is typed at a terminal has gone to the command as well.
    if (name !== "SIGINT" || !inForeground()) child.kill(name);
  });
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>(
    (resolve, reject) => {
      child.on("error", (error) => {
        const exitCode = codeOf(error) === "ENOENT" ? notFound : notRunnable;
        const message = `cannot run ${program}: ${causeInWords(error)}`;
        reject(new PortcatError(message, { exitCode, code: codeOf(error), cause: error }));
      });
      child.on("exit", (code, signal) => resolve([code, signal]));
    },
  );
  const exitCode = signal === null ? (code ?? 0) : signalExitCode(constants.signals[signal]);
  // Without a word: it has said itself what there is to say.
  if (exitCode !== 0) throw new PortcatError("", { exitCode });
}

/** Whether we are of the process group that a terminal's ^C goes to (proc(5), tpgid). */
function inForeground(): boolean {
  if (process.platform !== "linux") return [0, 1, 2].some(isTerminal);
  const stat = readFileSync("/proc/self/stat", "latin1");
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return group === foreground;
}

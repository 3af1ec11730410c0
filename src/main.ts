import { existsSync } from "node:fs";
import { setMaxListeners } from "node:events";
import { constants } from "node:os";
import { type Command, CommanderError } from "commander";
import type { OutputOptions } from "./cli/output-options.ts";
import { ErrorOutput } from "./cli/error-output.ts";
import {
  createReporter,
  droppedLines,
  type Reporter,
  type ReporterOptions,
} from "./cli/reporter.ts";
import type { Context } from "./commands/context.ts";
import type { Emit } from "./events.ts";
import {
  defectWords,
  errorEvent,
  ExitCode,
  interrupted,
  PortcatError,
  usageError,
} from "./errors.ts";
import { createProgram, helpAsOption } from "./program.ts";
import { isTerminal } from "./terminal.ts";

const endingSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** What else a command in our place may be told. */
const otherSignals = ["SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"] as const;

/**
 * Runs one command line and sets the exit code: the only catch-all, and the owner of signals.
 *
 * @param argv - the arguments, without the program
 */
export async function main(argv: readonly string[]): Promise<void> {
  // Help and the version need neither the signals nor stderr.
  let stderr: ErrorOutput | undefined;
  let run: AbortController | undefined;
  let reporter: Reporter | undefined;
  let takeSignal: ((name: NodeJS.Signals) => void) | undefined;
  let output = reporterOptions(guessedOutput(argv));
  const makeReporter = () => {
    const written = (stderr ??= new ErrorOutput((count) => droppedLines(count, output.json)));
    return createReporter(output, (text, essential) => written.write(text, essential));
  };
  const begun = () => {
    if (run !== undefined) return run;
    run = new AbortController();
    run.signal.addEventListener("abort", () => stderr?.hurry());
    return run;
  };
  const context: Context = {
    emit: (event) => reporter?.emit(event),
    settle: () => reporter?.settle(),
    get signal() {
      return begun().signal;
    },
    abort: (reason) => begun().abort(reason),
    handOverSignals: (take) => {
      takeSignal = take;
      for (const name of otherSignals) process.on(name, take);
    },
    mayEmit: () => run?.signal.aborted === true || (stderr?.takesMore ?? true),
    datagramsShown: () => output.json || output.level === "verbose" || output.showDatagrams(),
  };

  let result = "";
  const program = createProgram(context, (text) => (result += text));
  program.hook("preAction", async (root, action) => {
    output = reporterOptions({ ...action.opts<OutputOptions>(), ...typed(root.opts()) });
    reporter = await makeReporter();
    endBySignals(begun(), reporter.emit, () => takeSignal);
  });
  // A run that waits for something that can no longer come is a defect, and no success.
  const stalled = () => {
    reporter?.emit(errorEvent(bug(new Error("nothing is left to wait for"))));
    process.exitCode = ExitCode.failure;
  };
  process.once("beforeExit", stalled);
  try {
    await program.parseAsync(helpAsOption(argv), { from: "user" }).catch(async (error: unknown) => {
      if (!(error instanceof CommanderError)) throw error;
      if (error.exitCode !== 0) throw misuse(error, program, argv);
      const { print } = await import("./commands/run/print.ts");
      await print(result);
    });
  } catch (error) {
    const failure = error instanceof PortcatError ? error : bug(error);
    // Where the options could not be read, an error is told as the command line seems to want it.
    reporter ??= await makeReporter();
    if (failure.message !== "") reporter.emit(errorEvent(failure));
    process.exitCode = failure.exitCode;
    await stderr?.flush();
    // What could be written has been; a reader that is stuck, or a name still being looked up,
    // would hold up our end.
    leaveNow(failure);
  } finally {
    process.off("beforeExit", stalled);
  }
  await stderr?.flush();
  leaveUnresolved();
}

/**
 * The first signal ends the run, which may still write what it has received; the second ends us at
 * once. Somebody else may have taken them over.
 */
function endBySignals(
  run: AbortController,
  emit: Emit,
  taker: () => ((name: NodeJS.Signals) => void) | undefined,
): void {
  // Every connection listens to it.
  setMaxListeners(0, run.signal);
  for (const name of endingSignals) {
    process.on(name, () => {
      const take = taker();
      if (take !== undefined) return take(name);
      const reason = interrupted(name, constants.signals[name]);
      if (run.signal.aborted) {
        emit(errorEvent(reason));
        leaveNow(reason);
      }
      run.abort(reason);
    });
  }
  // Node would open its debugger to every user of this machine.
  process.on("SIGUSR1", () => undefined);
}

let knownTerminal: boolean | undefined;

function stdoutIsTerminal(): boolean {
  return (knownTerminal ??= isTerminal(1));
}

/** Only what was typed: the other occurrence of the option, after the command, may say more. */
function typed(options: OutputOptions): Partial<OutputOptions> {
  const { color, ...flags } = options;
  return color ? flags : options;
}

function guessedOutput(argv: readonly string[]): OutputOptions {
  const has = (...flags: string[]) => flags.some((flag) => argv.includes(flag));
  return {
    json: has("--json"),
    quiet: has("-q", "--quiet"),
    verbose: has("-v", "--verbose"),
    color: !has("--no-color"),
  };
}

function reporterOptions({ json, quiet, verbose, color }: OutputOptions): ReporterOptions {
  return {
    json: json ?? false,
    level: quiet ? "quiet" : verbose ? "verbose" : "normal",
    color: color ? undefined : false,
    showDatagrams: stdoutIsTerminal,
    hasLiveLines: () => isTerminal(2) && process.env["TERM"] !== "dumb",
  };
}

/** A usage error of the parser as ours. Help that was not asked for has been printed already. */
function misuse(error: CommanderError, program: Command, argv: readonly string[]): PortcatError {
  if (error.code === "commander.help") return usageError("");
  const told = error.message
    .replace(/^error: /, "")
    .replaceAll("\n", " ")
    // What was typed behind it may be a password.
    .replace(/^(unknown option '[^'=]*)=.*'/, "$1'");
  // A word out of place may be a URL with credentials.
  const text = told.replaceAll(
    /\b(argument|value|option|command) '(?!-)(.*?)'(?= is invalid|\W*$| \()/g,
    (_, kind: string, typed: string) => `${kind} '${typed.replace(/^.*@(?=.)/, "…@")}'`,
  );
  const negative = /^unknown option '(-\d+)'/.exec(text)?.[1];
  if (negative !== undefined)
    return usageError(`'${negative}' is not valid: expected a port, a number from 0 to 65535`);
  const help = `(\`portcat ${[...commandTyped(program, argv), "--help"].join(" ")}\` lists what there is)`;
  return usageError(error.code.startsWith("commander.unknown") ? `${text} ${help}` : text);
}

/** The names of the commands on the command line, as far as there are such. */
function commandTyped(command: Command, argv: readonly string[]): string[] {
  const [name = "", ...rest] = argv.filter((word) => !word.startsWith("-"));
  const found = command.commands.find((each) => each.name() === name);
  return found === undefined ? [] : [name, ...commandTyped(found, rest)];
}

/** Anything unforeseen is a defect of ours, and says where. */
function bug(error: unknown): PortcatError {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new PortcatError(`${defectWords}: ${text}`, {
    exitCode: ExitCode.failure,
    code: "EINTERNAL",
    cause: error,
  });
}

/**
 * Ends the process without waiting for a name look-up: exit(3) as Node calls it would (by ten
 * seconds or more), so a signal ends us as it would any program, and for another exit code a shell
 * takes our place, where this Node can do that.
 */
function leaveNow(reason: PortcatError): void {
  if (!isLookingUp()) process.exit(reason.exitCode);
  const signal = endingSignals.find((name) => name === reason.code);
  if (signal !== undefined) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    return;
  }
  exitAtOnce(reason.exitCode);
}

/** Ends a run that is done, but for a name whose address nobody wants to know any more. */
function leaveUnresolved(): void {
  if (isLookingUp()) exitAtOnce(Number(process.exitCode ?? ExitCode.ok));
}

const isLookingUp = () => process.getActiveResourcesInfo().includes("GetAddrInfoReqWrap");

/** A shell takes our place, where this Node can do that. */
function exitAtOnce(exitCode: number): void {
  const { execve } = process as { execve?: (file: string, args: string[], env: object) => never };
  if (process.platform === "win32" || execve === undefined || !existsSync("/bin/sh")) return;
  execve("/bin/sh", ["sh", "-c", `exit ${String(exitCode)}`], process.env);
}

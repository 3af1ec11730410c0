import { type Command, InvalidArgumentError, Option } from "commander";
import { type FamilyOptions, familyOf, familyOptions, timeoutOption } from "../cli/options.ts";
import { outputOptions, type OutputOptions } from "../cli/output-options.ts";
import { parseHost } from "../cli/place.ts";
import { parsePorts } from "../cli/ports.ts";
import { parsePositiveTime, wholeNumber } from "../cli/values.ts";
import { usageError } from "../errors.ts";
import type { Context } from "./context.ts";

interface Options extends FamilyOptions, OutputOptions {
  udp?: boolean;
  parallel: number;
  connectTimeout: number;
  timeout?: number;
  banner?: boolean;
  openOnly?: boolean;
  any?: boolean;
}

export function declareScan(command: Command, context: Context): void {
  command
    .description(
      "Ask which ports of a host are open: exit code 0 if all that were asked are, 11 if one is not.",
    )
    .usage("[options] <host> <ports...>")
    .argument("<host>", "name or address; of a name with several addresses each is asked")
    .argument("<ports...>", "22, 1-1024, 80,443, or services such as https")
    .action(async (word: string, words: string[], options: Options, command: Command) => {
      const { host, ports } = hostAndPorts(word, words, options.udp ? "udp" : "tcp");
      const { json = false } = command.optsWithGlobals<OutputOptions>();
      const { runScan } = await import("./run/scan.ts");
      await runScan(
        {
          host,
          ports,
          family: familyOf(options, host),
          transport: options.udp ? "udp" : "tcp",
          parallel: options.parallel,
          timeoutMs: options.connectTimeout,
          banner: options.banner ?? false,
        },
        { json, openOnly: options.openOnly ?? false, any: options.any ?? false },
        options.timeout,
        context,
      );
    });
  command
    .addOption(
      new Option("--parallel <n>", "how many to ask at a time")
        .argParser(wholeNumber(1, 65535))
        .default(256),
    )
    .addOption(
      new Option("-w, --connect-timeout <time>", "how long each may take to answer")
        .argParser(parsePositiveTime)
        .default(1000, "1s"),
    )
    .addOption(timeoutOption())
    .option("--udp", "UDP: open, closed, or no answer, which may be either")
    .option(
      "--banner",
      "show what each service says first, and wait for it as long as for an answer",
    )
    .option("--open-only", "print open ports only")
    .option("--any", "exit code 0 if one is open");
  familyOptions(command);
  outputOptions(command);
}

/** @throws PortcatError (exit code 2) saying what was expected */
function hostAndPorts(word: string, words: readonly string[], transport: "tcp" | "udp") {
  try {
    return { host: parseHost(word), ports: parsePorts(words, transport) };
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw usageError(error.message);
    throw error;
  }
}

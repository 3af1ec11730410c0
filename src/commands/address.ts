import { type Command, Option } from "commander";
import { excludes, type FamilyOptions, familyOf, familyOptions } from "../cli/options.ts";
import { outputOptions, type OutputOptions } from "../cli/output-options.ts";
import { parsePlace } from "../cli/place.ts";
import { parseTime, wholeNumber } from "../cli/values.ts";
import { isIP } from "../ip.ts";
import type { Context } from "./context.ts";

interface Options extends FamilyOptions, OutputOptions {
  port?: boolean;
  count: number;
  udp?: boolean;
  unix?: string;
  hold?: number;
}

export function declareAddress(command: Command, context: Context): void {
  command
    .description(
      "Bind, print the address that the system reports, and let go of it. Without a port the system chooses a free one; without a host it is on 127.0.0.1.",
    )
    .usage("[options] [host] [port]")
    .argument("[place...]", "port, :port, host, host:port, [v6]:port, or host and port")
    .action(async (words: string[], options: Options, command: Command) => {
      const { host, port } = placeOf(words);
      if (port > 0 && options.count > 1) excludes(command, ["--count"], "a port");
      if (words.length > 0) excludes(command, ["--unix"], "a host or a port");
      const { runAddress } = await import("./run/address.ts");
      const { json = false } = command.optsWithGlobals<OutputOptions>();
      if (json) excludes(command, ["--port"], "--json");
      await runAddress(
        {
          host: host ?? (options.ipv6 ? "::1" : "127.0.0.1"),
          port,
          family: familyOf(options, host),
          transport: options.unix !== undefined ? "unix" : options.udp ? "udp" : "tcp",
          path: options.unix,
          count: options.count,
        },
        { form: options.port ? "port" : json ? "json" : "place", holdMs: options.hold },
        context,
      );
    });
  command
    .addOption(new Option("--port", "print the port number alone").conflicts("unix"))
    .addOption(
      new Option("--count <n>", "so many different ones, all held until the last is found")
        .argParser(wholeNumber(1, 65535))
        .default(1),
    )
    .addOption(new Option("--udp", "a UDP port").conflicts("unix"))
    .addOption(new Option("--unix <path>", "a UNIX socket").conflicts(["count", "ipv4", "ipv6"]))
    .option("--hold <time>", "keep it bound for so long after printing", parseTime);
  familyOptions(command);
  outputOptions(command);
}

/** A place in which the port may be missing: it is 0 then. */
function placeOf(words: readonly string[]): { host: string | undefined; port: number } {
  const [first = "0", second] = words;
  const hostAlone = isIP(first) !== 0 || !/^\d*$|:\d*$/.test(first);
  if (second === undefined && hostAlone) return parsePlace([first, "0"], 0);
  return parsePlace(words.length === 0 ? ["0"] : words, 0);
}

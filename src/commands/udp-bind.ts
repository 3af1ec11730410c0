import type { Command } from "commander";
import {
  type FamilyOptions,
  familyOf,
  familyOptions,
  framingOptions,
  type FramingFlags,
  hostOrLocal,
  joinOption,
  localOption,
  readyFileOption,
  udpOptions,
  type UdpFlags,
  watchingOptions,
} from "../cli/options.ts";
import { outputOptions } from "../cli/output-options.ts";
import { parsePlace, type Place } from "../cli/place.ts";
import { parsePositiveTime, wholeNumber } from "../cli/values.ts";
import type { Context } from "./context.ts";

interface Options extends FamilyOptions, UdpFlags, FramingFlags {
  local?: boolean;
  peer?: Place;
  count?: number;
  idleTimeout?: number;
  timeout?: number;
  hex?: boolean;
  raw?: boolean;
  stdin: boolean;
  readyFile?: string;
}

export function declareUdpBind(command: Command, context: Context): void {
  command
    .description("Receive datagrams from anybody to stdout; stdin is sent to the latest sender.")
    .usage("[options] [host] <port>")
    .argument(
      "[place...]",
      "port, :port, host:port, [v6]:port, or host and port; port 0: any free one",
    )
    .action(async (words: string[], options: Options) => {
      const place = hostOrLocal(parsePlace(words, 0), options);
      const { runUdpBind } = await import("./run/udp-bind.ts");
      await runUdpBind({ ...place, family: familyOf(options, place.host) }, options, context);
    });
  command
    .addOption(localOption())
    .option("--peer <place>", "send stdin there, and from the start", (text) =>
      parsePlace([text], 1),
    )
    .option("--count <n>", "end after so many datagrams", wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option(
      "-i, --idle-timeout <time>",
      "fail when nothing comes or goes for so long",
      parsePositiveTime,
    )
    .option("--no-stdin", "do not read stdin")
    .addOption(joinOption())
    .addOption(readyFileOption());
  familyOptions(command);
  framingOptions(command);
  udpOptions(command);
  watchingOptions(command);
  outputOptions(command);
}

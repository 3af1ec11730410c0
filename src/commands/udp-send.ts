import { type Command, Option } from "commander";
import {
  type FamilyOptions,
  familyOf,
  familyOptions,
  framingOptions,
  type FramingFlags,
  type SourceOption,
  sourceOption,
  udpOptions,
  type UdpFlags,
  watchingOptions,
} from "../cli/options.ts";
import { outputOptions } from "../cli/output-options.ts";
import { isMulticast, parsePlace } from "../cli/place.ts";
import { parseHex, parsePositiveTime, wholeNumber } from "../cli/values.ts";
import { usageError } from "../errors.ts";
import { longestDatagram } from "../flow/framing.ts";
import type { Context } from "./context.ts";

interface Options extends FamilyOptions, SourceOption, UdpFlags, FramingFlags {
  messageHex?: Buffer;
  wait?: number;
  replies?: number;
  timeout?: number;
  hex?: boolean;
  raw?: boolean;
}

export function declareUdpSend(command: Command, context: Context): void {
  command
    .description(
      "Send a message, or stdin, as datagrams; with --wait or --replies show what comes back.",
    )
    .usage("[options] <host> <port> [message]")
    .argument("<host>", "name or address; or host:port in one word")
    .argument("[port]", "1 to 65535")
    .argument("[message]", "one datagram; '' is an empty one; without it stdin is sent")
    .action(
      async (
        host: string,
        port: string | undefined,
        message: string | undefined,
        options: Options,
      ) => {
        const place = placeAndMessage(host, port, message);
        const payload = payloadOf(place.message, options);
        const { runUdpSend } = await import("./run/udp-send.ts");
        const { source } = options;
        const named = withInterface(place.host);
        const target = {
          ...named,
          port: place.port,
          family: familyOf(options, named.host, source),
          ...(source && { source }),
        };
        await runUdpSend(target, payload, options, context);
      },
    );
  command
    .addOption(
      new Option("--message-hex <hex>", "the message as hex digits")
        .argParser(parseHex)
        .conflicts(["lines", "chunk"]),
    )
    .option("--wait <time>", "receive answers for so long after all is sent", parsePositiveTime)
    .option(
      "--replies <n>",
      "end as soon as so many answers have come; fail if --wait (2s) passes first",
      wholeNumber(1, Number.MAX_SAFE_INTEGER),
    );
  familyOptions(command);
  sourceOption(command);
  framingOptions(command);
  udpOptions(command);
  watchingOptions(command);
  outputOptions(command);
}

/** "host port [message]", or "host:port [message]" where the first word is a place by itself. */
function placeAndMessage(first: string, second: string | undefined, third: string | undefined) {
  const oneWord = second === undefined || /^(\[.*\]|[^:]*):\d+$/.test(first);
  const { host = "localhost", port } = parsePlace(oneWord ? [first] : [first, second], 1);
  if (oneWord && third !== undefined) throw usageError(`'${third}' is one word too many`);
  return { host, port, message: oneWord ? second : third };
}

/** A multicast group's interface, "239.1.2.3%eth0", apart from it; any other host as it is. */
function withInterface(host: string): { host: string; iface?: string } {
  const [group = "", iface] = host.split("%");
  return iface !== undefined && isMulticast(group) ? { host: group, iface } : { host };
}

function payloadOf(message: string | undefined, options: Options): Buffer | undefined {
  if (message !== undefined && options.messageHex !== undefined)
    throw usageError("a message cannot be used with --message-hex");
  if (message !== undefined && (options.lines || options.chunk !== undefined))
    throw usageError("a message is one datagram; --lines and --chunk cut stdin");
  const payload = message === undefined ? options.messageHex : Buffer.from(message);
  if (payload !== undefined && payload.length > longestDatagram)
    throw usageError(
      `the message has ${String(payload.length)} bytes; a datagram holds at most ${String(longestDatagram)} (EMSGSIZE)`,
    );
  return payload;
}

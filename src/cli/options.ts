import { type Command, Option } from "commander";
import { usageError } from "../errors.ts";
import { isIP } from "../ip.ts";
import { parseMembership, parseSource } from "./place.ts";
import {
  parseBufferSize,
  parseChunkSize,
  parseDscp,
  parseMode,
  parsePath,
  parsePositiveTime,
  parseSeconds,
  parseSize,
  parseTime,
  wholeNumber,
} from "./values.ts";

/** The same for every command: -4 and -6. */
export interface FamilyOptions {
  ipv4?: boolean;
  ipv6?: boolean;
}

export function familyOptions(command: Command): void {
  command
    .addOption(new Option("-4, --ipv4", "IPv4 only").conflicts("ipv6"))
    .addOption(new Option("-6, --ipv6", "IPv6 only"));
}

/**
 * The family that may be used; 0 is either.
 *
 * @param host - where it is a numeric address it has to be of that family
 * @param source - a numeric address to send from, which has to be of that family and the host's
 * @throws PortcatError (exit code 2) when one is not
 */
export function familyOf(
  { ipv4, ipv6 }: FamilyOptions,
  host = "",
  source?: { address: string; family: 4 | 6 },
): 0 | 4 | 6 {
  const asked = ipv4 ? 4 : ipv6 ? 6 : 0;
  const ofHost = isIP(host);
  if (asked !== 0 && ofHost !== 0 && ofHost !== asked)
    throw usageError(
      `${host} is an IPv${String(ofHost)} address, but -${String(asked)} asks for IPv${String(asked)}`,
    );
  const wanted = asked || ofHost;
  if (source !== undefined && wanted !== 0 && source.family !== wanted)
    throw usageError(
      `--source ${source.address} is IPv${String(source.family)}, but IPv${String(wanted)} is to be used`,
    );
  return asked;
}

/** How bytes move between stdin, stdout and a peer. Times are milliseconds. */
export interface StreamOptions {
  idleTimeout?: number;
  timeout?: number;
  sendOnly?: boolean;
  receiveOnly?: boolean;
  stdin: boolean;
  bytes?: number;
  halfClose: boolean;
  allowHalfOpen?: boolean;
  linger: number;
  crlf?: boolean;
  lineDelay?: number;
  hex?: boolean;
  raw?: boolean;
  fd?: number;
}

export function streamOptions(command: Command): void {
  const sending = ["receiveOnly", "stdin"];
  command
    .addOption(idleTimeoutOption())
    .addOption(timeoutOption())
    .addOption(
      new Option("--send-only", "only send; leave as soon as all is sent").conflicts([
        "receiveOnly",
        "stdin",
        "bytes",
        "halfClose",
      ]),
    )
    .option("--receive-only", "only receive; stdin is not read")
    .option("--no-stdin", "do not read stdin; our side stays open until the peer ends")
    .option("--bytes <size>", "stop after so many bytes received; fewer is a failure", parseSize)
    .option("--no-half-close", "at the end of stdin keep our side open (no FIN)")
    .addOption(
      new Option(
        "--allow-half-open",
        "after the peer's end keep sending until stdin ends",
      ).conflicts(sending),
    )
    .addOption(
      new Option(
        "--linger <time>",
        "after the peer's end, how long a pipe must be silent to be left",
      )
        .argParser(parseTime)
        .default(200, "200ms"),
    )
    .addOption(new Option("--crlf", "send line ends as CR LF").conflicts(sending))
    .addOption(
      new Option("--line-delay <time>", "wait between the lines sent")
        .argParser(parsePositiveTime)
        .conflicts(sending),
    )
    .option("--hex", "a hex dump of both directions on stderr")
    .addOption(rawOption());
}

export const idleTimeoutOption = (): Option =>
  new Option(
    "-i, --idle-timeout <time>",
    "fail when nothing moves either way for so long",
  ).argParser(parsePositiveTime);

export const rawOption = (): Option =>
  new Option("--raw", "do not make what arrives safe for the terminal");

export const timeoutOption = (what = "fail when the whole run takes longer"): Option =>
  new Option("--timeout <time>", what).argParser(parsePositiveTime);

export interface SocketOptionFlags extends TrafficOptionFlags {
  delay: boolean;
}

export function socketOptions(command: Command): void {
  command.option("--no-delay", "send small writes at once (TCP_NODELAY)");
  trafficOptions(command);
}

export interface TrafficOptionFlags {
  keepAlive?: number;
  tos?: number;
}

/** The socket options of a command that knows best itself when to send. */
export function trafficOptions(command: Command): void {
  command
    .option(
      "--keep-alive <time>",
      "probe a silent connection after so long, 1s or more",
      parseSeconds,
    )
    .option("--tos <dscp>", "mark packets: 0 to 63, or a name such as ef, af11, cs1", parseDscp);
}

export interface ConnectOptions {
  connectTimeout: number;
  retry?: number;
  retryInterval: number;
}

export function connectOptions(command: Command): void {
  command
    .addOption(
      new Option("-w, --connect-timeout <time>", "over all addresses together; 0 waits for ever")
        .argParser(parseTime)
        .default(10_000, "10s"),
    )
    .addOption(
      new Option("--retry <n>", "connect again while refused, unreachable or unresolved").argParser(
        wholeNumber(1, 1_000_000),
      ),
    )
    .addOption(
      new Option("--retry-interval <time>", "wait between two tries")
        .argParser(parseTime)
        .default(1000, "1s"),
    );
}

export interface SourceOption {
  source?: { address: string; family: 4 | 6; port: number };
}

export function sourceOption(command: Command): void {
  command.option("--source <addr[:port]>", "the local address to connect from", parseSource);
}

/** How many clients a listener takes. */
export interface ClientsOptions {
  keepOpen?: boolean;
  maxConnections?: number;
  backlog: number;
  readyFile?: string;
}

export interface ListenerOptions extends ClientsOptions {
  queue: number;
  stall: number;
}

/** @param alone - the option that -k cannot be used with */
export function clientsOptions(command: Command, alone: string): void {
  command
    .addOption(
      new Option("-k, --keep-open", "serve clients in parallel until a signal ends it").conflicts(
        alone,
      ),
    )
    .option(
      "-m, --max-connections <n>",
      "with -k: how many clients at a time",
      wholeNumber(1, 1_000_000),
    )
    .addOption(
      new Option("--backlog <n>", "connections the system holds until we take them")
        .argParser(wholeNumber(1, 65535))
        .default(4096),
    )
    .addOption(readyFileOption());
}

export function listenerOptions(command: Command): void {
  clientsOptions(command, "bytes");
  command
    .addOption(
      new Option("--queue <size>", "with -k: bytes that may wait for one slow client")
        .argParser(parseSize)
        .default(1 << 20, "1MiB"),
    )
    .addOption(
      new Option(
        "--stall <time>",
        "with -k: cut off a client whose queue is full and stuck so long",
      )
        .argParser(parsePositiveTime)
        .default(1000, "1s"),
    );
}

export const readyFileOption = (): Option =>
  new Option(
    "--ready-file <path>",
    "write the bound address there, as JSON, once listening",
  ).argParser(parsePath);

export function fdOption(command: Command, what: string): void {
  command.option("--fd <n>", what, wholeNumber(0, 65535));
}

export const localOption = (): Option => new Option("--local", "loopback only");

/** The place with --local applied: 127.0.0.1, or ::1 with -6. @throws PortcatError if a host was typed too */
export function hostOrLocal(
  { host, port }: { host: string | undefined; port: number },
  options: FamilyOptions & { local?: boolean },
): { host: string | undefined; port: number } {
  if (!options.local) return { host, port };
  if (host !== undefined) throw usageError("--local cannot be used with a host");
  return { host: options.ipv6 ? "::1" : "127.0.0.1", port };
}

export const modeOption = (): Option =>
  new Option("--mode <octal>", "permission bits of the socket file").argParser(parseMode);

/** What a UDP socket can be told. */
export interface UdpFlags {
  join?: { group: string; source?: string; interface?: string }[];
  ttl?: number;
  loopback?: boolean;
  broadcast?: boolean;
  receiveBuffer?: number;
  sendBuffer?: number;
  reusePort?: boolean;
}

export const joinOption = (): Option =>
  new Option(
    "--join <group[%iface]>",
    "be a member of a multicast group; source@group for one sender only (repeatable)",
  ).argParser((text, before: UdpFlags["join"]) => [...(before ?? []), parseMembership(text)]);

export function udpOptions(command: Command): void {
  command
    .option("--ttl <n>", "how many hops a datagram may go, multicast too", wholeNumber(1, 255))
    .option("--loopback", "multicast sent is also received on this machine")
    .option("--no-loopback", "multicast sent is not received on this machine")
    .option("--broadcast", "allow sending to a broadcast address")
    .option("--receive-buffer <size>", "what the system may hold for us", parseBufferSize)
    .option("--send-buffer <size>", "what the system may hold of ours", parseBufferSize)
    .option("--reuse-port", "share the port with other sockets that say so too");
}

/** How stdin is cut into datagrams. */
export interface FramingFlags {
  lines?: boolean;
  chunk?: number;
}

export function framingOptions(command: Command): void {
  command
    .addOption(
      new Option("--lines", "one datagram a line of stdin (the default on a terminal)").conflicts(
        "chunk",
      ),
    )
    .option(
      "--chunk <size>",
      "datagrams of this many bytes of stdin, at most 65507",
      parseChunkSize,
    );
}

/** The flags of streams that make sense for datagrams too. */
export function watchingOptions(command: Command): void {
  command
    .addOption(timeoutOption())
    .option("--hex", "a hex dump of both directions on stderr")
    .addOption(rawOption());
}

/** @throws PortcatError (exit code 2) when one of `flags` was typed without what it belongs to */
export function needs(command: Command, flags: readonly string[], needed: string): void {
  const typed = (name: string) => command.getOptionValueSource(attribute(name)) === "cli";
  if (typed(needed)) return;
  const lonely = flags.find(typed);
  if (lonely !== undefined) throw usageError(`${lonely} needs ${needed}`);
}

/** @throws PortcatError (exit code 2) when one of `flags` was typed together with `what` */
export function excludes(command: Command, flags: readonly string[], what: string): void {
  const typed = flags.find((name) => command.getOptionValueSource(attribute(name)) === "cli");
  if (typed !== undefined) throw usageError(`${typed} cannot be used with ${what}`);
}

/** "--max-connections" as commander names its value: "maxConnections". */
function attribute(flag: string): string {
  return flag
    .replace(/^--(no-)?/, "")
    .replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

import { type Command, Option } from "commander";
import {
  type Expectation,
  parseExpectation,
  parseSend,
  parseStatuses,
  type StatusRange,
} from "../cli/expectation.ts";
import {
  excludes,
  type FamilyOptions,
  familyOf,
  familyOptions,
  needs,
  timeoutOption,
} from "../cli/options.ts";
import { outputOptions, type OutputOptions } from "../cli/output-options.ts";
import { checkProxyOptions, type ProxyFlags, proxyOptions } from "../cli/proxy-options.ts";
import { hostOfTarget, parseTarget, type Target } from "../cli/target.ts";
import { excludesTls, type TlsClientFlags, tlsVerifyOptions } from "../cli/tls-options.ts";
import { agentOf } from "../cli/user-agent.ts";
import { parsePositiveTime, wholeNumber } from "../cli/values.ts";
import { usageError } from "../errors.ts";
import type { Context } from "./context.ts";

export interface WaitOptions extends FamilyOptions, TlsClientFlags, ProxyFlags {
  timeout: number;
  interval?: number;
  connectTimeout?: number;
  down?: boolean;
  any?: boolean;
  stable: number;
  expect?: Expectation;
  expectStatus: StatusRange[];
  send?: Buffer;
}

export function declareWait(command: Command, context: Context): void {
  command
    .description(
      "Wait until every target is ready, or gone, under one deadline; then perhaps run a command, whose exit code is ours.",
    )
    .usage("[options] <target...> [-- command [argument...]]")
    .argument(
      "<target...>",
      "host:port, tcp:host:port, tls:host:port, udp:host:port, unix:path, http://…, https://…, http+unix:socket:/path, file:path",
    )
    .action(async (words: string[], options: WaitOptions, command: Command) => {
      const run = wordsAfterDashes(command, words);
      const targets = words.slice(0, words.length - run.length).map(parseTarget);
      if (targets.length === 0) throw usageError("expected at least one target before --");
      if (run[0] === "") throw usageError("'' is no command: expected one after --");
      checkProxyOptions(options);
      needs(command, ["--key"], "--cert");
      checkTargets(command, targets, options);
      await checkDestinations(targets, options);
      const { json = false } = command.optsWithGlobals<OutputOptions>();
      const { runWait } = await import("./run/wait.ts");
      await runWait(targets, run, { ...options, json, agent: agentOf(command) }, context);
    });
  command
    .addOption(
      timeoutOption(
        "fail when they are not ready by then; there is always such a deadline",
      ).default(30_000, "30s"),
    )
    .option(
      "--interval <time>",
      "the longest pause between two attempts (250ms; 50ms while nobody is there)",
      parsePositiveTime,
    )
    .option(
      "-w, --connect-timeout <time>",
      "how long each attempt may take to connect (2s), and then to be answered (10s)",
      parsePositiveTime,
    )
    .addOption(
      new Option("--down", "wait until they are gone").conflicts([
        "expect",
        "expectStatus",
        "send",
      ]),
    )
    .option("--any", "one of them is enough")
    .addOption(
      new Option("--stable <n>", "so many successes in a row")
        .argParser(wholeNumber(1, 1_000_000))
        .default(1),
    )
    .option(
      "--expect <text|/regex/>",
      "what a service has to say, or the body of an HTTP answer or a file to have in it",
      parseExpectation,
    )
    .addOption(
      new Option("--expect-status <ranges>", "the HTTP statuses that are ready")
        .argParser(parseStatuses)
        .default([[200, 399]], "200-399"),
    )
    .option("--send <text>", "say this first; \\r, \\n, \\xHH and others are bytes", parseSend);
  familyOptions(command);
  tlsVerifyOptions(command);
  proxyOptions(command);
  outputOptions(command);
}

/** What was typed behind "--", where that was no option's value: the last of the words. */
function wordsAfterDashes(command: Command, words: readonly string[]): string[] {
  const { rawArgs = [] } = rootOf(command) as Command & { rawArgs?: string[] };
  for (let at = rawArgs.indexOf("--"); at >= 0; at = rawArgs.indexOf("--", at + 1)) {
    const behind = rawArgs.slice(at + 1);
    const last = words.slice(words.length - behind.length);
    if (behind.every((word, nth) => word === last[nth])) return behind;
  }
  return [];
}

const rootOf = (command: Command): Command =>
  command.parent === null ? command : rootOf(command.parent);

const isTls = (target: Target) =>
  target.kind === "tls" || (target.kind === "http" && target.url.protocol === "https:");

/** Whether a target is reached over TCP. */
const isTcp = (target: Target) =>
  target.kind === "tcp" ||
  target.kind === "tls" ||
  (target.kind === "http" && target.socketPath === undefined);

/** @throws PortcatError (exit code 2) when an option was typed that none of the targets has a use for */
function checkTargets(command: Command, targets: readonly Target[], options: WaitOptions): void {
  const only = (kinds: string) => `targets of these kinds alone; it is for ${kinds}`;
  if (targets.every(({ kind }) => kind === "http" || kind === "file"))
    excludes(command, ["--send"], only("tcp:, tls:, udp: and unix:"));
  if (!targets.some(({ kind }) => kind === "http"))
    excludes(command, ["--expect-status"], only("http:// and https://"));
  if (!targets.some(isTls)) excludesTls(command, only("tls: and https://"));
  if (!targets.some(isTcp))
    excludes(command, ["--proxy"], only("tcp:, tls:, http:// and https://"));
  if (!targets.some((target) => isTcp(target) || target.kind === "udp"))
    excludes(command, ["--ipv4", "--ipv6"], only("what has a host"));
  if (!options.down) return;
  excludesTls(command, "--down");
  const asking = targets.find(({ wishes }) => Object.keys(wishes).length > 0);
  if (asking !== undefined)
    throw usageError(`'${asking.text}' asks for something, which cannot be used with --down`);
}

/** @throws PortcatError (exit code 2) when a host cannot be asked for */
async function checkDestinations(targets: readonly Target[], options: WaitOptions): Promise<void> {
  for (const target of targets) {
    const host = hostOfTarget(target);
    if (host === undefined) continue;
    const proxy = isTcp(target) ? options.proxy : undefined;
    familyOf(options, proxy?.host ?? host);
    if (proxy !== undefined) (await import("../endpoints/tunnel.ts")).checkDestination(proxy, host);
  }
}

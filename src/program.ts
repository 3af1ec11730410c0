import { Command } from "commander";
import { version } from "../package.json";
import { outputOptions } from "./cli/output-options.ts";
import type { Context } from "./commands/context.ts";

type Declare = (command: Command, context: Context) => void;
type Load = () => Promise<Declare>;

const groups: Record<string, string> = {
  tcp: "TCP: listen, connect",
  udp: "UDP: bind, send",
  unix: "UNIX sockets: listen, connect",
  http: "HTTP: listen, request",
};

/** One entry per command: what is typed, what help says of it, and what declares the rest once it is typed. */
const commands: readonly (readonly [typed: string, summary: string, load: Load])[] = [
  [
    "tcp listen",
    "listen on a TCP port",
    async () => (await import("./commands/tcp-listen.ts")).declareTcpListen,
  ],
  [
    "tcp connect",
    "connect to a TCP port",
    async () => (await import("./commands/tcp-connect.ts")).declareTcpConnect,
  ],
  [
    "udp bind",
    "receive datagrams on a UDP port",
    async () => (await import("./commands/udp-bind.ts")).declareUdpBind,
  ],
  [
    "udp send",
    "send datagrams to a UDP port",
    async () => (await import("./commands/udp-send.ts")).declareUdpSend,
  ],
  [
    "unix listen",
    "listen on a UNIX socket",
    async () => (await import("./commands/unix-listen.ts")).declareUnixListen,
  ],
  [
    "unix connect",
    "connect to a UNIX socket",
    async () => (await import("./commands/unix-connect.ts")).declareUnixConnect,
  ],
  [
    "http listen",
    "show what HTTP clients send, and answer them",
    async () => (await import("./commands/http-listen.ts")).declareHttpListen,
  ],
  [
    "http request",
    "send an HTTP request",
    async () => (await import("./commands/http-request.ts")).declareHttpRequest,
  ],
  [
    "wait",
    "wait until services are ready, or gone",
    async () => (await import("./commands/wait.ts")).declareWait,
  ],
  [
    "scan",
    "tell which ports are open",
    async () => (await import("./commands/scan.ts")).declareScan,
  ],
  [
    "address",
    "print a free address",
    async () => (await import("./commands/address.ts")).declareAddress,
  ],
];

/**
 * The command tree. Help and version go to `writeOut`; errors are thrown as CommanderError, not
 * printed, but for the help of a command group without its command, which goes to stderr.
 *
 * A command's options are declared, and its code is loaded, only once it has been typed.
 */
export function createProgram(context: Context, writeOut: (text: string) => void): Command {
  const { program, loads } = createTree(writeOut);
  const declareTyped = async (_: Command, command: Command) => {
    const declare = await loads.get(command)?.();
    declare?.(command, context);
  };
  for (const each of [program, ...program.commands]) each.hook("preSubcommand", declareTyped);
  return program;
}

/** The same with the options of every command, for what describes them all. */
export async function createWholeProgram(
  context: Context,
  writeOut: (text: string) => void,
): Promise<Command> {
  const { program, loads } = createTree(writeOut);
  for (const [command, load] of loads) (await load())(command, context);
  return program;
}

function createTree(writeOut: (text: string) => void) {
  const loads = new Map<Command, Load>();
  const program = new Command("portcat")
    .description("Join terminals, pipes and files to TCP, UDP and UNIX sockets.")
    .version(version, "-V, --version", "print the version")
    .exitOverride()
    .configureOutput({ writeOut, outputError: () => undefined });
  outputOptions(program);
  for (const [typed, summary, load] of commands) {
    const [first = "", second] = typed.split(" ");
    const parent = second === undefined ? program : groupOf(program, first);
    loads.set(parent.command(second ?? first).summary(summary), load);
  }
  return { program, loads };
}

function groupOf(program: Command, name: string): Command {
  const found = program.commands.find((each) => each.name() === name);
  return found ?? program.command(name).description(groups[name] ?? "");
}

/**
 * "help tcp listen" and "tcp help listen" as "tcp listen --help", which loads what it describes. Of
 * a command that does not exist only its name is left, which is an error.
 */
export function helpAsOption(argv: readonly string[]): readonly string[] {
  const [first = "", second, sub] = argv;
  const inGroup = Object.hasOwn(groups, first) && second === "help";
  if (first !== "help" && !inGroup) return argv;
  const name = inGroup ? first : second;
  if (name === undefined) return ["--help"];
  const typed = Object.hasOwn(groups, name) && sub !== undefined ? [name, sub] : [name];
  const words = typed.join(" ");
  const known = Object.hasOwn(groups, words) || commands.some(([each]) => each === words);
  return known ? [...typed, "--help"] : typed;
}

import { Command } from "commander";
import { version } from "../package.json";
import { outputOptions } from "./cli/output-options.ts";
import type { Context } from "./commands/context.ts";

type Declare = (command: Command, context: Context) => void;

/** One line per command: what is typed, what help says of it, and what declares the rest once it is typed. */
const commands: readonly (readonly [typed: string, summary: string, () => Promise<Declare>])[] = [
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
    "address",
    "print a free address",
    async () => (await import("./commands/address.ts")).declareAddress,
  ],
];

const groups: Record<string, string> = {
  tcp: "TCP: listen, connect",
  udp: "UDP: bind, send",
  unix: "UNIX sockets: listen, connect",
};

/**
 * The command tree. Help and version go to `writeOut`; errors are thrown as CommanderError, not
 * printed, but for the help of a command group without its command, which goes to stderr.
 *
 * A command's options are declared, and its code is loaded, only once it has been typed.
 */
export function createProgram(context: Context, writeOut: (text: string) => void): Command {
  const program = new Command("portcat")
    .description("Join terminals, pipes and files to TCP, UDP and UNIX sockets.")
    .version(version, "-V, --version", "print the version")
    .exitOverride()
    .configureOutput({ writeOut, outputError: () => undefined });
  outputOptions(program);
  for (const [typed, summary] of commands) {
    const [word = "", second] = typed.split(" ");
    if (second === undefined) program.command(word).summary(summary);
    else groupOf(program, word).command(second).summary(summary);
  }
  const declareTyped = (_: Command, command: Command) => declare(command, context);
  for (const group of [program, ...program.commands]) group.hook("preSubcommand", declareTyped);
  return program;
}

/** The same with the options of every command, for what describes them all. */
export async function createWholeProgram(
  context: Context,
  writeOut: (text: string) => void,
): Promise<Command> {
  const program = createProgram(context, writeOut);
  for (const each of [...program.commands, ...program.commands.flatMap(({ commands }) => commands)])
    await declare(each, context);
  return program;
}

function groupOf(program: Command, name: string): Command {
  const found = program.commands.find((each) => each.name() === name);
  return found ?? program.command(name).description(groups[name] ?? "");
}

/** Nothing for a group, which has no options of its own. */
async function declare(command: Command, context: Context): Promise<void> {
  const typed = [command.parent?.parent && command.parent.name(), command.name()];
  const found = commands.find(([words]) => words === typed.filter(Boolean).join(" "));
  const [, , load] = found ?? [];
  (await load?.())?.(command, context);
}

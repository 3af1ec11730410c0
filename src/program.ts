import { Command } from "commander";
import { version } from "../package.json";
import { outputOptions } from "./cli/options.ts";
import { addAddress } from "./commands/address.ts";
import type { Context } from "./commands/context.ts";
import { addTcpConnect } from "./commands/tcp-connect.ts";
import { addTcpListen } from "./commands/tcp-listen.ts";
import { addUdpBind } from "./commands/udp-bind.ts";
import { addUdpSend } from "./commands/udp-send.ts";
import { addUnixConnect } from "./commands/unix-connect.ts";
import { addUnixListen } from "./commands/unix-listen.ts";

/**
 * The command tree. Help and version go to `writeOut`; errors are thrown as CommanderError, not
 * printed, but for the help of a command group without its command, which goes to stderr.
 */
export function createProgram(context: Context, writeOut: (text: string) => void): Command {
  const program = new Command("portcat")
    .description("Join terminals, pipes and files to TCP, UDP and UNIX sockets.")
    .version(version, "-V, --version", "print the version")
    .exitOverride()
    .configureOutput({ writeOut, outputError: () => undefined });
  outputOptions(program);

  const tcp = program.command("tcp").description("TCP: listen, connect");
  addTcpListen(tcp, context);
  addTcpConnect(tcp, context);

  const udp = program.command("udp").description("UDP: bind, send");
  addUdpBind(udp, context);
  addUdpSend(udp, context);

  const unix = program.command("unix").description("UNIX sockets: listen, connect");
  addUnixListen(unix, context);
  addUnixConnect(unix, context);

  addAddress(program, context);
  return program;
}

import { type Command, Option } from "commander";
import { type AnswerOptions, answerOptions } from "../cli/http-listen-options.ts";
import {
  type ClientsOptions,
  clientsOptions,
  excludes,
  type FamilyOptions,
  familyOf,
  familyOptions,
  fdOption,
  hostOrLocal,
  idleTimeoutOption,
  localOption,
  needs,
  rawOption,
  timeoutOption,
} from "../cli/options.ts";
import { outputOptions } from "../cli/output-options.ts";
import { parsePlace } from "../cli/place.ts";
import { checkTlsOptions, type TlsListenerFlags, tlsListenerOptions } from "../cli/tls-options.ts";
import { usageError } from "../errors.ts";
import type { Context } from "./context.ts";

export interface HttpListenerOptions extends ClientsOptions, AnswerOptions {
  once?: boolean;
  idleTimeout?: number;
  timeout?: number;
  raw?: boolean;
}

type Options = HttpListenerOptions &
  TlsListenerFlags &
  FamilyOptions & { local?: boolean; fd?: number };

/** What clients are told that we speak (RFC 7301). */
const protocol = "http/1.1";

export function declareHttpListen(command: Command, context: Context): void {
  command
    .description(
      "Show each HTTP request: its headers on stderr, its body on stdout. Answer it as told.",
    )
    .usage("[options] [host] <port>")
    .argument(
      "[place...]",
      "port, :port, host:port, [v6]:port, or host and port; port 0: any free one",
    )
    .action(async (words: string[], options: Options, command: Command) => {
      needs(command, ["--max-connections"], "--keep-open");
      checkTlsOptions(command, "listener");
      const { alpn = [protocol], fd, backlog } = options;
      if (!alpn.includes(protocol))
        throw usageError(`--alpn ${alpn.join(",")}: ${protocol} has to be among them`);
      const { answerOf, runHttpListener } = await import("./run/http-listen.ts");
      const answer = await answerOf(options);
      const tls = options.tls
        ? await (await import("./run/tls.ts")).listenerTls({ ...options, alpn }, context)
        : undefined;
      // As Node's own HTTP server has it.
      const sockets = { noDelay: true };
      if (fd !== undefined) {
        excludes(command, ["--local", "--ipv4", "--ipv6"], "--fd");
        if (words.length > 0) excludes(command, ["--fd"], "a host or a port");
        const { checkDescriptor, listenOnDescriptor } = await import("../endpoints/descriptor.ts");
        checkDescriptor(fd);
        return runHttpListener(
          (take) => listenOnDescriptor(fd, backlog, sockets, take, context.emit),
          answer,
          options,
          context,
          tls,
        );
      }
      const { host, port } = hostOrLocal(parsePlace(words, 0), options);
      const { listenTcp } = await import("../endpoints/tcp-listen.ts");
      const target = { host, port, family: familyOf(options, host), backlog, ...sockets };
      await runHttpListener(
        (take) => listenTcp(target, take, context.signal, context.emit),
        answer,
        options,
        context,
        tls,
      );
    });
  answerOptions(command);
  command
    .addOption(
      new Option("--once", "end after one request has been answered").conflicts("keepOpen"),
    )
    .addOption(localOption());
  familyOptions(command);
  clientsOptions(command, "once");
  command.addOption(idleTimeoutOption()).addOption(timeoutOption()).addOption(rawOption());
  tlsListenerOptions(command);
  fdOption(command, "listen on an inherited socket instead (systemd's first is 3)");
  outputOptions(command);
}

import type { Command } from "commander";
import {
  excludes,
  type FamilyOptions,
  familyOf,
  familyOptions,
  fdOption,
  hostOrLocal,
  type ListenerOptions,
  listenerOptions,
  localOption,
  needs,
  socketOptions,
  type SocketOptionFlags,
  type StreamOptions,
  streamOptions,
} from "../cli/options.ts";
import { checkTlsOptions, type TlsListenerFlags, tlsListenerOptions } from "../cli/tls-options.ts";
import { outputOptions } from "../cli/output-options.ts";
import { parsePlace } from "../cli/place.ts";
import type { Context } from "./context.ts";

type Options = StreamOptions &
  TlsListenerFlags &
  ListenerOptions &
  FamilyOptions &
  SocketOptionFlags & { local?: boolean };

export function declareTcpListen(command: Command, context: Context): void {
  command
    .description("Accept a TCP connection and join it to stdin and stdout.")
    .usage("[options] [host] <port>")
    .argument(
      "[place...]",
      "port, :port, host:port, [v6]:port, or host and port; port 0: any free one",
    )
    .action(async (words: string[], options: Options, command: Command) => {
      needs(command, ["--max-connections", "--queue", "--stall"], "--keep-open");
      checkTlsOptions(command, "listener");
      const { runListener } = await import("./run/listener.ts");
      const { socketOptionsOf } = await import("./run/session.ts");
      const { checkSocketOptions } = await import("../endpoints/socket-options.ts");
      const sockets = socketOptionsOf(options);
      checkSocketOptions(sockets);
      const tls = options.tls
        ? await (await import("./run/tls.ts")).listenerTls(options, context)
        : undefined;
      if (options.fd !== undefined) {
        excludes(command, ["--local", "--ipv4", "--ipv6"], "--fd");
        if (words.length > 0) excludes(command, ["--fd"], "a host or a port");
        const { checkDescriptor, listenOnDescriptor } = await import("../endpoints/descriptor.ts");
        const { fd, backlog } = options;
        checkDescriptor(fd);
        return runListener(
          (take) => listenOnDescriptor(fd, backlog, sockets, take, context.emit),
          options,
          context,
          tls,
        );
      }
      const { host, port } = hostOrLocal(parsePlace(words, 0), options);
      const { listenTcp } = await import("../endpoints/tcp-listen.ts");
      const target = {
        host,
        port,
        family: familyOf(options, host),
        backlog: options.backlog,
        ...sockets,
      };
      await runListener(
        (take) => listenTcp(target, take, context.signal, context.emit),
        options,
        context,
        tls,
      );
    });
  command.addOption(localOption());
  familyOptions(command);
  listenerOptions(command);
  streamOptions(command);
  tlsListenerOptions(command);
  socketOptions(command);
  fdOption(command, "listen on an inherited socket instead (systemd's first is 3)");
  outputOptions(command);
}

import { resolve } from "node:path";
import type { Command } from "commander";
import {
  excludes,
  fdOption,
  type ListenerOptions,
  listenerOptions,
  modeOption,
  needs,
  type StreamOptions,
  streamOptions,
} from "../cli/options.ts";
import { checkTlsOptions, type TlsListenerFlags, tlsListenerOptions } from "../cli/tls-options.ts";
import { outputOptions } from "../cli/output-options.ts";
import { usageError } from "../errors.ts";
import type { Context } from "./context.ts";

type Options = StreamOptions & TlsListenerFlags & ListenerOptions & { mode?: number };

export function declareUnixListen(command: Command, context: Context): void {
  command
    .description(
      "Accept a connection on a UNIX socket and join it to stdin and stdout. The socket file is removed at the end.",
    )
    .usage("[options] <path>")
    .argument("[path]", "the socket file; @name is in Linux's abstract namespace")
    .action(async (path: string | undefined, options: Options, command: Command) => {
      needs(command, ["--max-connections", "--queue", "--stall"], "--keep-open");
      checkTlsOptions(command, "listener");
      const tls = options.tls
        ? await (await import("./run/tls.ts")).listenerTls(options, context)
        : undefined;
      const { runListener } = await import("./run/listener.ts");
      const { backlog, fd, mode } = options;
      if (fd !== undefined) {
        excludes(command, ["--mode"], "--fd");
        if (path !== undefined) excludes(command, ["--fd"], "a path");
        const { checkDescriptor, listenOnDescriptor } = await import("../endpoints/descriptor.ts");
        checkDescriptor(fd);
        return runListener(
          (take) => listenOnDescriptor(fd, backlog, { noDelay: false }, take, context.emit),
          options,
          context,
          tls,
        );
      }
      if (path === undefined) throw usageError("expected the path of a UNIX socket");
      const { listenUnix, socketName } = await import("../endpoints/unix.ts");
      socketName(path);
      if (options.readyFile !== undefined && resolve(options.readyFile) === resolve(path))
        throw usageError("--ready-file cannot be the socket itself");
      if (path.startsWith("@")) excludes(command, ["--mode"], "a name in the abstract namespace");
      const target = { path, mode, backlog };
      await runListener(
        (take) => listenUnix(target, take, context.signal, context.emit),
        options,
        context,
        tls,
      );
    });
  command.addOption(modeOption());
  listenerOptions(command);
  streamOptions(command);
  tlsListenerOptions(command);
  fdOption(command, "listen on an inherited socket instead (systemd's first is 3)");
  outputOptions(command);
}

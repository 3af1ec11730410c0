import type { Command } from "commander";
import {
  type ConnectOptions,
  connectOptions,
  excludes,
  fdOption,
  needs,
  type StreamOptions,
  streamOptions,
} from "../cli/options.ts";
import { checkTlsOptions, type TlsClientFlags, tlsClientOptions } from "../cli/tls-options.ts";
import { outputOptions } from "../cli/output-options.ts";
import { usageError } from "../errors.ts";
import type { Context } from "./context.ts";

type Options = StreamOptions & TlsClientFlags & ConnectOptions;

export function declareUnixConnect(command: Command, context: Context): void {
  command
    .description("Connect to a UNIX socket and join the connection to stdin and stdout.")
    .usage("[options] <path>")
    .argument("[path]", "the socket file; @name is in Linux's abstract namespace")
    .action(async (path: string | undefined, options: Options, command: Command) => {
      needs(command, ["--retry-interval"], "--retry");
      checkTlsOptions(command, "client");
      const secure = options.tls
        ? (await import("./run/tls.ts")).clientTls(options, context)
        : undefined;
      const { runClient } = await import("./run/client.ts");
      if (options.fd !== undefined) {
        excludes(command, ["--connect-timeout", "--retry"], "--fd");
        if (path !== undefined) excludes(command, ["--fd"], "a path");
        const { checkDescriptor, connectionOnDescriptor } =
          await import("../endpoints/descriptor.ts");
        const { fd } = options;
        checkDescriptor(fd);
        return runClient(
          () => connectionOnDescriptor(fd, { noDelay: false }, context, secure),
          options,
          context,
        );
      }
      if (path === undefined) throw usageError("expected the path of a UNIX socket");
      const { socketName } = await import("../endpoints/unix.ts");
      const { connectUnix } = await import("../endpoints/unix-connect.ts");
      socketName(path);
      const target = { path, timeoutMs: options.connectTimeout, ...(secure && { secure }) };
      await runClient(() => connectUnix(target, context.signal, context.emit), options, context);
    });
  connectOptions(command);
  streamOptions(command);
  tlsClientOptions(command);
  fdOption(command, "talk through an inherited connected socket instead");
  outputOptions(command);
}

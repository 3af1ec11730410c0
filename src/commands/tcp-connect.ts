import type { Command } from "commander";
import {
  type ConnectOptions,
  connectOptions,
  excludes,
  type FamilyOptions,
  familyOf,
  familyOptions,
  fdOption,
  needs,
  socketOptions,
  type SocketOptionFlags,
  type SourceOption,
  sourceOption,
  type StreamOptions,
  streamOptions,
} from "../cli/options.ts";
import {
  checkProxyOptions,
  type ProxyFlag,
  type ProxyFlags,
  proxyOptions,
} from "../cli/proxy-options.ts";
import { checkTlsOptions, type TlsClientFlags, tlsClientOptions } from "../cli/tls-options.ts";
import { outputOptions } from "../cli/output-options.ts";
import { parsePlace } from "../cli/place.ts";
import type { Context } from "./context.ts";

type Options = StreamOptions &
  TlsClientFlags &
  ProxyFlags &
  ConnectOptions &
  FamilyOptions &
  SourceOption &
  SocketOptionFlags;

const ofConnecting = ["--connect-timeout", "--retry", "--source", "--ipv4", "--ipv6", "--proxy"];

export function declareTcpConnect(command: Command, context: Context): void {
  command
    .description("Connect to a TCP port and join the connection to stdin and stdout.")
    .usage("[options] <host> <port>")
    .argument(
      "[place...]",
      "host and port: two words, host:port or [v6]:port; a port alone is localhost's",
    )
    .action(async (words: string[], options: Options, command: Command) => {
      needs(command, ["--retry-interval"], "--retry");
      checkProxyOptions(options);
      checkTlsOptions(command, "client");
      const { runClient } = await import("./run/client.ts");
      const { socketOptionsOf } = await import("./run/session.ts");
      const { checkSocketOptions } = await import("../endpoints/socket-options.ts");
      const sockets = socketOptionsOf(options);
      checkSocketOptions(sockets);
      const secure = options.tls
        ? (await import("./run/tls.ts")).clientTls(options, context)
        : undefined;
      if (options.fd !== undefined) {
        excludes(command, ofConnecting, "--fd");
        if (words.length > 0) excludes(command, ["--fd"], "a host or a port");
        const { checkDescriptor, connectionOnDescriptor } =
          await import("../endpoints/descriptor.ts");
        const { fd } = options;
        checkDescriptor(fd);
        return runClient(
          () => connectionOnDescriptor(fd, sockets, context, secure),
          options,
          context,
        );
      }
      const { host = "localhost", port } = parsePlace(words, 1);
      const tunnel = options.proxy && (await tunnelOf(options.proxy, host, options, context));
      const { connectTcp } = await import("../endpoints/tcp-connect.ts");
      const target = {
        host,
        port,
        // The proxy is what is connected to.
        family: familyOf(options, options.proxy?.host ?? host, options.source),
        timeoutMs: options.connectTimeout,
        ...(options.source && { source: options.source }),
        ...(secure && { secure }),
        ...(tunnel && { tunnel }),
        ...sockets,
      };
      await runClient(() => connectTcp(target, context.signal, context.emit), options, context);
    });
  connectOptions(command);
  familyOptions(command);
  sourceOption(command);
  streamOptions(command);
  tlsClientOptions(command);
  proxyOptions(command);
  socketOptions(command);
  fdOption(command, "talk through an inherited connected socket instead");
  outputOptions(command);
}

async function tunnelOf(typed: ProxyFlag, host: string, { proxyCa }: ProxyFlags, context: Context) {
  const { proxyOf } = await import("./run/proxy.ts");
  const { checkDestination, tunnelThrough } = await import("../endpoints/tunnel.ts");
  checkDestination(typed, host);
  return tunnelThrough(await proxyOf(typed, proxyCa, context));
}

import type { Command } from "commander";
import {
  type HttpRequestFlags,
  httpRequestOptions,
  parseMethod,
} from "../cli/http-request-options.ts";
import { parseHeader } from "../cli/http-header.ts";
import { hostOf, parseHttpUrl } from "../cli/http-url.ts";
import {
  type ConnectOptions,
  connectOptions,
  excludes,
  type FamilyOptions,
  familyOf,
  familyOptions,
  idleTimeoutOption,
  needs,
  rawOption,
  type SourceOption,
  sourceOption,
  timeoutOption,
  type TrafficOptionFlags,
  trafficOptions,
} from "../cli/options.ts";
import { checkProxyOptions, type ProxyFlags, proxyOptions } from "../cli/proxy-options.ts";
import { excludesTls, type TlsClientFlags, tlsVerifyOptions } from "../cli/tls-options.ts";
import { outputOptions } from "../cli/output-options.ts";
import { agentOf } from "../cli/user-agent.ts";
import type { Context } from "./context.ts";

export type HttpRequestOptions = HttpRequestFlags &
  TlsClientFlags &
  ProxyFlags &
  ConnectOptions &
  FamilyOptions &
  SourceOption &
  TrafficOptionFlags;

const ofTcp = ["--proxy", "--source", "--ipv4", "--ipv6", "--keep-alive", "--tos"];

export function declareHttpRequest(command: Command, context: Context): void {
  command
    .description("Send an HTTP request, and write the body of the answer to stdout.")
    .argument("<url>", "http:// or https://; without either it is http://")
    .action(async (text: string, options: HttpRequestOptions, command: Command) => {
      const { url, authorization } = parseHttpUrl(text);
      const headers = (options.header ?? []).map(parseHeader);
      const method = options.method === undefined ? undefined : parseMethod(options.method);
      needs(command, ["--retry-interval"], "--retry");
      needs(command, ["--key"], "--cert");
      if (url.protocol === "http:" && !options.follow) excludesTls(command, "an http:// URL");
      if (options.unix !== undefined) excludes(command, ofTcp, "--unix");
      checkProxyOptions(options);
      const host = hostOf(url);
      if (options.proxy !== undefined)
        (await import("../endpoints/tunnel.ts")).checkDestination(options.proxy, host);
      familyOf(options, options.proxy?.host ?? host, options.source);
      const { runHttpRequest } = await import("./run/http-request.ts");
      const agent = agentOf(command);
      await runHttpRequest({ url, authorization, headers, method, agent }, options, context);
    });
  httpRequestOptions(command);
  command.addOption(idleTimeoutOption()).addOption(timeoutOption()).addOption(rawOption());
  connectOptions(command);
  familyOptions(command);
  sourceOption(command);
  tlsVerifyOptions(command);
  proxyOptions(command);
  trafficOptions(command);
  outputOptions(command);
}

import type { HeaderList } from "../../endpoints/http-client.ts";
import type { Redirectable } from "../../endpoints/http-redirect.ts";
import { basic } from "../../endpoints/http-proxy.ts";
import type { Proxy } from "../../endpoints/tunnel.ts";
import type { Body } from "./http-body.ts";
import { isForwarded } from "./http-connect.ts";

/**
 * The headers of a request: ours, as far as they were not typed, and then those that were typed.
 *
 * @param agent - the value of User-Agent
 */
export function headersOf(
  asked: Omit<Redirectable, "keepsBody">,
  body: Body | undefined,
  agent: string,
  proxy: Proxy | undefined,
): HeaderList {
  const { url, authorization, headers: typed } = asked;
  const names = new Set(typed.map(([name]) => name.toLowerCase()));
  const ours: [string, string][] = [
    ["Host", url.host],
    ["User-Agent", agent],
    ["Accept", "*/*"],
  ];
  if (authorization !== undefined) ours.push(["Authorization", authorization]);
  if (isForwarded(url, proxy) && proxy.credentials !== undefined)
    ours.push(["Proxy-Authorization", basic(proxy.credentials)]);
  if (body?.type !== undefined) ours.push(["Content-Type", body.type]);
  if (!names.has("transfer-encoding") && !names.has("content-length"))
    ours.push(...framing(asked.method, body));
  return [
    ...ours.filter(([name]) => !names.has(name.toLowerCase())),
    ...typed.filter(([, value]) => value !== ""),
  ];
}

/** Methods of which nobody expects a body (RFC 9110, section 9.3). */
const bodiless: readonly string[] = ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"];

/** How the server knows where the body ends (RFC 9112, section 6). */
function framing(method: string, body: Body | undefined): [string, string][] {
  if (body === undefined) return bodiless.includes(method) ? [] : [["Content-Length", "0"]];
  return body.bytes === undefined
    ? [["Transfer-Encoding", "chunked"]]
    : [["Content-Length", String(body.bytes)]];
}

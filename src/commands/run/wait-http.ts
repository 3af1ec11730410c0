import type { Target } from "../../cli/target.ts";
import type { Link } from "../../endpoints/connection.ts";
import { forwardingRefused } from "../../endpoints/http-proxy.ts";
import type { Talk } from "../../probes/conversation.ts";
import { askStatus } from "../../probes/http-status.ts";
import { type Readiness, unreached } from "../../probes/readiness.ts";
import { isForwarded, requestTarget } from "./http-connect.ts";
import { headersOf } from "./http-headers.ts";
import type { WaitSettings } from "./wait-askers.ts";

/** Asks an HTTP server that is connected to, or the proxy before it. */
export async function askServer(
  { socket }: Link,
  { url, authorization }: Extract<Target, { kind: "http" }>,
  { agent, expectStatus, throughProxy }: WaitSettings,
  meets: Talk["meets"],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Readiness> {
  const proxy = isForwarded(url, throughProxy) ? throughProxy : undefined;
  const asked = { method: "GET", url, headers: [], authorization };
  const question = {
    target: requestTarget(url, proxy),
    headers: headersOf(asked, undefined, agent, proxy),
    statuses: expectStatus,
    meets,
  };
  const { status, ...readiness } = await askStatus(socket, question, timeoutMs, signal);
  return status === 407 && proxy ? unreached(forwardingRefused(proxy, [])) : readiness;
}

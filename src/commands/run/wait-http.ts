import type { Target } from "../../cli/target.ts";
import type { Link } from "../../endpoints/connection.ts";
import type { Talk } from "../../probes/conversation.ts";
import { askStatus } from "../../probes/http-status.ts";
import type { Readiness } from "../../probes/readiness.ts";
import { isForwarded } from "./http-connect.ts";
import { headersOf } from "./http-headers.ts";
import type { Manner } from "./wait-attempts.ts";

/** Asks an HTTP server that is connected to. */
export function askServer(
  { socket }: Link,
  { url, authorization }: Extract<Target, { kind: "http" }>,
  { agent, expectStatus, throughProxy }: Manner,
  meets: Talk["meets"],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Readiness> {
  const asked = { method: "GET", url, headers: [], authorization };
  const question = {
    target: isForwarded(url, throughProxy) ? url.href : url.pathname + url.search,
    headers: headersOf(asked, undefined, agent, throughProxy),
    statuses: expectStatus,
    meets,
  };
  return askStatus(socket, question, timeoutMs, signal);
}

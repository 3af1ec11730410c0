import { ExitCode, PortcatError } from "../errors.ts";
import type { HttpHead } from "./http-answer.ts";
import type { HeaderList } from "./http-client.ts";

/** What redirects change of a request. */
export interface Redirectable {
  readonly url: URL;
  readonly method: string;
  readonly headers: HeaderList;
  readonly authorization?: string | undefined;
  readonly keepsBody: boolean;
}

const statuses: readonly number[] = [301, 302, 303, 307, 308];
/** Of the origin that they were typed for, and of nobody else. */
const ofOrigin = /^(authorization|cookie|proxy-authorization|host)$/i;
const ofBody = /^(content-.*|transfer-encoding|expect)$/i;

/**
 * The request that an answer leads to (RFC 9110, section 15.4), or undefined where it is no redirect.
 *
 * @throws PortcatError (exit code 1) when it leads where no request should go
 */
export function redirected(from: Redirectable, head: HttpHead): Redirectable | undefined {
  const location = head.headers.find(([name]) => name.toLowerCase() === "location")?.[1];
  if (!location || !statuses.includes(head.status)) return undefined;
  const url = targetOf(location, from.url);
  if (from.url.protocol === "https:" && url.protocol !== "https:")
    throw refused(`from https:// to ${url.href}, where anybody could listen`);
  const method = methodAfter(head.status, from.method);
  const keepsBody = from.keepsBody && head.status !== 303 && method === from.method;
  const sameOrigin = url.origin === from.url.origin;
  const { authorization, headers } = from;
  return {
    url,
    method,
    keepsBody,
    authorization: sameOrigin ? authorization : undefined,
    headers: headers
      .filter(([name]) => sameOrigin || !ofOrigin.test(name))
      .filter(([name]) => keepsBody || !ofBody.test(name)),
  };
}

function methodAfter(status: number, method: string): string {
  if (status === 303 && method !== "HEAD") return "GET";
  return (status === 301 || status === 302) && method === "POST" ? "GET" : method;
}

/** Where a Location leads. Credentials in it are the server's, and are left out. */
function targetOf(location: string, from: URL): URL {
  let url: URL;
  try {
    // Node reads every byte of a header as one character.
    url = new URL(Buffer.from(location, "latin1").toString(), from);
  } catch {
    throw refused("to a Location that is no URL");
  }
  if (!/^https?:$/.test(url.protocol)) throw refused(`to ${url.protocol}, which is not HTTP`);
  if (url.port === "0") throw refused(`to ${url.origin}, which is no port`);
  url.username = "";
  url.password = "";
  url.hash = "";
  return url;
}

export function refused(where: string): PortcatError {
  return new PortcatError(`a redirect was not followed: ${where} (EREDIRECT)`, {
    exitCode: ExitCode.failure,
    code: "EREDIRECT",
  });
}

import { type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import { codeOf } from "../errors.ts";
import { hostPort } from "../events.ts";
import { Refusal, type RefusalCode } from "./proxy-refusal.ts";
import type { Destination, Proxy } from "./tunnel.ts";

/**
 * Asks a proxy to connect (RFC 9110, section 9.3.6), over a socket that is connected to it. What
 * comes behind its answer stays to be read of the socket, which is paused.
 *
 * @throws Refusal, the proxy's own reason; an Error of the socket; the reason of `signal`
 */
export function askHttpProxy(
  socket: Socket,
  { credentials }: Proxy,
  { host, port }: Destination,
  signal: AbortSignal,
): Promise<void> {
  const authority = hostPort(host, port);
  return new Promise((resolve, reject) => {
    const asked = request({
      method: "CONNECT",
      path: authority,
      headers: {
        Host: authority,
        ...(credentials && { "Proxy-Authorization": basic(credentials) }),
      },
      setDefaultHeaders: false,
      createConnection: () => socket,
    });
    const aborted = () => reject(signal.reason as Error);
    signal.addEventListener("abort", aborted, { once: true });
    const over = () => signal.removeEventListener("abort", aborted);
    asked.on("error", (error) => {
      over();
      reject(notUnderstood(error));
    });
    asked.on("connect", (answer, _, behind: Buffer) => {
      over();
      socket.pause();
      const refusal = refusalOf(answer, credentials !== undefined);
      if (refusal !== undefined) return reject(refusal);
      if (behind.length > 0) socket.unshift(behind);
      resolve();
    });
    // Node would ask for the connection to be closed.
    asked.removeHeader("Connection");
    // It was made paused.
    asked.on("socket", () => socket.resume());
    asked.end();
  });
}

/** "Basic dXNlcjpwYXNz" (RFC 7617). */
export function basic({ user, password }: { user: string; password: string }): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

function notUnderstood(error: Error): Error {
  const code = codeOf(error);
  if (code.startsWith("HPE_")) return new Refusal("EPROXY", `it does not answer in HTTP: ${code}`);
  // Node's "socket hang up".
  if (code === "ECONNRESET" || code === "EPIPE")
    return new Refusal("EPROXY", "it closed the connection without an answer");
  return error;
}

/** What an answer says about why there is no connection; undefined where there is one. */
function refusalOf(answer: IncomingMessage, named: boolean): Refusal | undefined {
  const { statusCode: status = 0, statusMessage = "", headers } = answer;
  if (status >= 200 && status < 300) return undefined;
  const said = `${String(status)} ${statusMessage}`.trim();
  // Some say 401 to credentials that are wrong.
  if (status !== 407 && status !== 401)
    return new Refusal(codeOfStatus(status), `it answers ${said}`);
  const schemes = headers["proxy-authenticate"] ?? "Basic";
  const why = !/\bbasic\b/i.test(schemes)
    ? `it wants credentials in a way that is not Basic: ${schemes}`
    : named
      ? "it does not accept the user and password"
      : "it wants a user and a password";
  return new Refusal("EPROXYAUTH", `${why} (${said})`);
}

function codeOfStatus(status: number): RefusalCode {
  if ([403, 405].includes(status)) return "EPROXYDENIED";
  return [500, 502, 503, 504].includes(status) ? "EPROXYTARGET" : "EPROXY";
}

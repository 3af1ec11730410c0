import { type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import { codeOf, ExitCode, PortcatError } from "../errors.ts";
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
  const read = socket.bytesRead;
  return new Promise((resolve, reject) => {
    const asked = request({
      method: "CONNECT",
      path: authority,
      headers: {
        Host: authority,
        ...(credentials && { "Proxy-Authorization": basic(credentials) }),
      },
      setDefaultHeaders: false,
      // No body comes with the answer, and nothing else is told by its headers.
      insecureHTTPParser: true,
      createConnection: () => socket,
    });
    const aborted = () => reject(signal.reason as Error);
    if (signal.aborted) return aborted();
    signal.addEventListener("abort", aborted, { once: true });
    const over = () => signal.removeEventListener("abort", aborted);
    asked.on("error", (error) => {
      over();
      reject(notUnderstood(error, socket.bytesRead > read));
    });
    asked.on("connect", (answer, _, behind: Buffer) => {
      over();
      socket.pause();
      const refusal = refusalOf(answer, credentials);
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

function notUnderstood(error: Error & { syscall?: string }, hasAnswered: boolean): Error {
  const code = codeOf(error);
  if (code === "HPE_HEADER_OVERFLOW")
    return new Refusal("EPROXY", "the headers of its answer are too long");
  if (code.startsWith("HPE_")) return new Refusal("EPROXY", `it does not answer in HTTP: ${code}`);
  // Node's "socket hang up".
  if (code === "ECONNRESET" && error.syscall === undefined)
    return new Refusal(
      "EPROXY",
      `it closed the connection without ${hasAnswered ? "a whole" : "an"} answer`,
    );
  return error;
}

/** What an answer says about why there is no connection; undefined where there is one. */
function refusalOf(
  answer: IncomingMessage,
  credentials: Proxy["credentials"],
): Refusal | undefined {
  const { statusCode: status = 0, statusMessage = "", headers } = answer;
  if (status >= 200 && status < 300) return undefined;
  const said = `${String(status)} ${shown(statusMessage, credentials)}`.trim();
  // Some say 401 to credentials that are wrong.
  if (status !== 407 && status !== 401)
    return new Refusal(codeOfStatus(status), `it answers ${said}`);
  const why = wantsOthers(headers["proxy-authenticate"], credentials);
  return new Refusal("EPROXYAUTH", `${why} (${said})`);
}

function wantsOthers(schemes = "Basic", credentials: Proxy["credentials"]): string {
  if (!/(^|,)\s*basic\s*(\s|,|$)/i.test(schemes))
    return `it wants credentials in a way that is not Basic: ${shown(schemes, credentials)}`;
  return credentials
    ? "it does not accept the user and password"
    : "it wants a user and a password";
}

/** A proxy that answered a request itself, with 407, exit code 10. */
export function forwardingRefused(
  { host, port, credentials }: Proxy,
  headers: readonly (readonly [name: string, value: string])[],
): PortcatError {
  const schemes = headers.find(([name]) => /^proxy-authenticate$/i.test(name))?.[1];
  const why = wantsOthers(schemes, credentials);
  return new PortcatError(
    `the proxy ${hostPort(host, port)} does not forward the request: ${why} (EPROXYAUTH)`,
    { exitCode: ExitCode.proxy, code: "EPROXYAUTH", address: host, port },
  );
}

const mostShown = 200;

/** What a proxy says, in UTF-8 as most do, without what we told it, and not too much of it. */
function shown(said: string, credentials: Proxy["credentials"]): string {
  let text = Buffer.from(said, "latin1").toString();
  if (credentials !== undefined)
    for (const secret of [basic(credentials).slice("Basic ".length), credentials.password])
      if (secret !== "") text = text.replaceAll(secret, "…");
  return text.length > mostShown ? `${text.slice(0, mostShown)}…` : text;
}

function codeOfStatus(status: number): RefusalCode {
  if ([403, 405].includes(status)) return "EPROXYDENIED";
  return [500, 502, 503, 504].includes(status) ? "EPROXYTARGET" : "EPROXY";
}

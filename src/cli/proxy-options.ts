import type { Command } from "commander";
import { type PortcatError, usageError } from "../errors.ts";
import { parseHost } from "./place.ts";
import { parsePath } from "./values.ts";

const defaultPorts = { socks4: 1080, socks4a: 1080, socks5: 1080, http: 80, https: 443 };

export type ProxyProtocol = keyof typeof defaultPorts;

export interface ProxyCredentials {
  user: string;
  password: string;
}

/** A proxy as typed. */
export interface ProxyFlag {
  protocol: ProxyProtocol;
  host: string;
  port: number;
  credentials?: ProxyCredentials;
}

export interface ProxyFlags {
  proxy?: ProxyFlag;
  proxyCa?: string;
}

export function proxyOptions(command: Command): void {
  command
    .option(
      "--proxy <url>",
      "go through socks5://[user:password@]host[:port], or socks4://, socks4a://, http://, https:// (PORTCAT_PROXY_AUTH=user:password)",
      parseProxy,
    )
    .option("--proxy-ca <file>", "trust these authorities for an https proxy", parsePath);
}

const expected =
  "expected socks5://, socks4a://, socks4://, http:// or https://, then [user:password@]host[:port], with %2F for a / in the password";

/**
 * Reads the URL of a proxy. No message repeats the text, which may hold a password.
 *
 * @throws PortcatError (exit code 2)
 */
export function parseProxy(text: string): ProxyFlag {
  // What a URL parser would drop without a word.
  if (/[\s\\\p{Cc}]/u.test(text))
    throw invalid("it has a space, a backslash or a control character");
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const protocol = url?.protocol.slice(0, -1);
  if (url === undefined || !isProtocol(protocol) || !text.includes("://")) throw invalid(expected);
  if (!["", "/"].includes(url.pathname) || url.search !== "" || url.hash !== "")
    throw invalid(`nothing may follow its host and port; ${expected}`);
  if (url.port === "0") throw invalid("its port is to be from 1 to 65535");
  const credentials = { user: decoded(url.username), password: decoded(url.password) };
  const typed = credentials.user !== "" || credentials.password !== "";
  if (typed) checkCredentials(protocol, credentials, "--proxy");
  return {
    protocol,
    host: hostOf(decoded(url.hostname)),
    port: url.port === "" ? defaultPorts[protocol] : Number(url.port),
    ...(typed && { credentials }),
  };
}

/**
 * The proxy with the credentials of PORTCAT_PROXY_AUTH, "user:password", where its URL has none.
 *
 * @throws PortcatError (exit code 2) when this proxy cannot be given such ones
 */
export function withCredentials(proxy: ProxyFlag, environment: string | undefined): ProxyFlag {
  if (proxy.credentials !== undefined || environment === undefined || environment === "")
    return proxy;
  const [user = "", ...rest] = environment.split(":");
  const credentials = { user, password: rest.join(":") };
  checkCredentials(proxy.protocol, credentials, "PORTCAT_PROXY_AUTH");
  return { ...proxy, credentials };
}

/** @throws PortcatError (exit code 2) when --proxy-ca was typed for another proxy than one of https */
export function checkProxyOptions({ proxy, proxyCa }: ProxyFlags): void {
  if (proxyCa !== undefined && proxy?.protocol !== "https")
    throw usageError("--proxy-ca needs an https:// proxy");
}

function isProtocol(text: string | undefined): text is ProxyProtocol {
  return text !== undefined && Object.hasOwn(defaultPorts, text);
}

function hostOf(text: string): string {
  try {
    return parseHost(text);
  } catch {
    throw invalid("its host is not a name or an address");
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid("a % in it is not followed by two hex digits of UTF-8; write %25 for itself");
  }
}

/** RFC 1929 (SOCKS 5), RFC 7617 (HTTP Basic); SOCKS 4 has a user and no password. */
function checkCredentials(
  protocol: ProxyProtocol,
  { user, password }: ProxyCredentials,
  where: string,
): void {
  const wrong = (why: string) =>
    usageError(`the user and password of ${where} cannot be used: ${why}`);
  if (/\p{Cc}/u.test(user + password)) throw wrong("they have a control character");
  if (protocol.startsWith("socks4")) {
    if (password !== "") throw wrong("SOCKS4 has a user only, and no password");
    return;
  }
  if (protocol === "socks5") {
    const bytes = [user, password].map((each) => Buffer.byteLength(each));
    if (user === "" || bytes.some((count) => count > 255))
      throw wrong("SOCKS5 takes a user of 1 to 255 bytes, and a password of up to 255");
    return;
  }
  if (user.includes(":")) throw wrong("HTTP allows no colon in the user");
}

function invalid(why: string): PortcatError {
  return usageError(`the URL of --proxy is not valid: ${why}`);
}

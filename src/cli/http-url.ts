import { usageError } from "../errors.ts";
import { isIP } from "../ip.ts";
import { parseHost, parsePort } from "./place.ts";

export interface HttpTarget {
  /** Without credentials and fragment. */
  readonly url: URL;
  /** The value of an Authorization header, of the credentials in the URL (RFC 7617). */
  readonly authorization?: string;
}

/** The host of a URL, an IPv6 address without its brackets. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, "");

const shape =
  /^(?:(https?):\/\/)?(?:([^/?#]*)@)?(\[[^\]/?#@]*\]|[^/?#@:[\]]+)(:[^/?#@]*)?([/?][^#]*)?(?:#.*)?$/i;

/**
 * Reads an http:// or https:// URL; without a scheme it is http://. Credentials in it, also in one
 * that is not valid, are in no message.
 *
 * @throws PortcatError (exit code 2)
 */
export function parseHttpUrl(text: string): HttpTarget {
  const shown = text.includes("@") ? "the URL" : `'${text}'`;
  const misuse = (why: string) => usageError(`${shown} is not valid: ${why}`);
  const expected = "expected http://host[:port]/path or https://…";
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase() ?? "http";
  if (scheme !== "http" && scheme !== "https")
    throw misuse(`only http:// and https:// can be requested, ${expected}`);
  // What a URL parser would drop without a word.
  if (/[\s\\\p{Cc}]/u.test(text))
    throw misuse("it has a space, a control character or a backslash; a space is written %20");
  const [, , credentials, host = "", port, rest = ""] = shape.exec(text) ?? [];
  if (host === "") throw misuse(expected);
  const url = urlOf(`${scheme}://${host}${port ?? ""}${rest}`, host, port);
  if (url === undefined) throw misuse(`${expected}, with a host and a port that are valid`);
  if (credentials === undefined || credentials === "") return { url };
  const authorization = basic(credentials);
  if (authorization === undefined)
    throw misuse("its credentials are not percent-encoded as they should be");
  return { url, authorization };
}

/** The URL, where its host and its port are what `tcp connect` takes, and mean what they say. */
function urlOf(text: string, host: string, port: string | undefined): URL | undefined {
  try {
    const plain = parseHost(host);
    if (port !== undefined) parsePort(port.slice(1), 1);
    if (plain.includes("%")) return undefined;
    const url = new URL(text);
    // An IPv4 address in an old form: 0x7f.1
    const same = isIP(plain) === 6 || !isIP(url.hostname) || url.hostname === plain;
    return same ? url : undefined;
  } catch {
    return undefined;
  }
}

function basic(credentials: string): string | undefined {
  const colon = credentials.indexOf(":");
  const [user, password] =
    colon < 0 ? [credentials, ""] : [credentials.slice(0, colon), credentials.slice(colon + 1)];
  try {
    const pair = `${decodeURIComponent(user)}:${decodeURIComponent(password)}`;
    return `Basic ${Buffer.from(pair).toString("base64")}`;
  } catch {
    return undefined;
  }
}

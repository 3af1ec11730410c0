import { InvalidArgumentError } from "commander";
import { type PortcatError, usageError } from "../errors.ts";
import { type Expectation, parseExpectation, parseSend } from "./expectation.ts";
import { hostOf, parseHttpUrl } from "./http-url.ts";
import { parsePlace } from "./place.ts";
import { parseName, parsePin } from "./tls-options.ts";
import { parsePath } from "./values.ts";

/** What a target asks of what it reaches, apart from being there; what it does not say, the options do. */
export interface Wishes {
  readonly expect?: Expectation;
  readonly send?: Buffer;
  readonly servername?: string;
  readonly ca?: string;
  readonly pin?: string;
  readonly insecure?: boolean;
}

/** What is waited for. */
export type Target = {
  /** As typed, of a URL without its credentials. */
  readonly text: string;
  readonly wishes: Wishes;
} & (
  | { readonly kind: "tcp" | "tls"; readonly host: string; readonly port: number }
  | { readonly kind: "udp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "file"; readonly path: string }
  | {
      readonly kind: "http";
      readonly url: URL;
      readonly authorization?: string;
      /** Instead of the URL's host and port. */
      readonly socketPath?: string;
    }
);

/** The host of a target; undefined where it has none, but a path. */
export function hostOfTarget(target: Target): string | undefined {
  if ("host" in target) return target.host;
  if (target.kind !== "http" || target.socketPath !== undefined) return undefined;
  return hostOf(target.url);
}

const readers: Record<string, (text: string) => unknown> = {
  expect: parseExpectation,
  send: parseSend,
  servername: parseName,
  ca: parsePath,
  pin: parsePin,
  insecure: parseFlag,
};
const talking = ["expect", "send"];
const wishesOf: Record<string, readonly string[]> = {
  tcp: talking,
  udp: talking,
  unix: talking,
  file: ["expect"],
  tls: [...talking, "servername", "ca", "pin", "insecure"],
};

/**
 * Reads a target: "tcp:db:5432", "tls:mail:993?servername=mail.example", "unix:/run/x.sock",
 * "udp:ns:53", "http://localhost:3000/health", "http+unix:/run/x.sock:/health", "file:done", or
 * "db:5432", which is TCP.
 *
 * @throws PortcatError (exit code 2) saying what was expected
 */
export function parseTarget(text: string): Target {
  const [, kind = "", rest = ""] = /^([a-z+]+):(.*)$/s.exec(text) ?? [];
  if (kind === "http" || kind === "https") {
    const { url, authorization } = parseHttpUrl(text);
    const shown = authorization === undefined ? text : url.href;
    const target = { text: shown, wishes: {}, kind: "http", url } as const;
    return authorization === undefined ? target : { ...target, authorization };
  }
  if (kind === "http+unix") return httpOverUnix(rest, text);
  if (!Object.hasOwn(wishesOf, kind))
    return { text, kind: "tcp", ...placeOf(text, text), wishes: {} };
  const [, place = "", query] = /^([^?]*)(?:\?(.*))?$/s.exec(rest) ?? [];
  const wishes = query === undefined ? {} : readWishes(kind, query, text);
  return kind === "unix" || kind === "file"
    ? { text, kind, path: reading(text, () => parsePath(place)), wishes }
    : { text, kind: kind as "tcp" | "tls" | "udp", ...placeOf(place, text), wishes };
}

function httpOverUnix(rest: string, text: string): Target {
  const [, socketPath = "", path = "/"] = /^([^:]+)(?::(\/.*))?$/s.exec(rest) ?? [];
  if (socketPath === "")
    throw invalid(text, "expected http+unix:<socket>:<path>, as http+unix:/run/x.sock:/health");
  const { url } = parseHttpUrl(`http://localhost${path}`);
  return { text, kind: "http", url, socketPath, wishes: {} };
}

function placeOf(place: string, text: string): { host: string; port: number } {
  if (place === "" || /\/|^[a-z+-]+:(?!\d+$)/.test(place))
    throw invalid(
      text,
      "expected tcp:, tls:, udp:, unix:, file:, http://, https://, http+unix: or host:port",
    );
  try {
    const { host = "localhost", port } = parsePlace([place], 1);
    return { host, port };
  } catch (error) {
    // It says what was typed.
    if (error instanceof InvalidArgumentError) throw usageError(error.message);
    throw error;
  }
}

/** Reads "name=value&name=value", percent-encoded; a plus is a plus. */
function readWishes(kind: string, query: string, text: string): Wishes {
  const known = wishesOf[kind] ?? [];
  const wishes: Record<string, unknown> = {};
  for (const each of query.split("&")) {
    const [, name = "", value = ""] = /^([^=]*)=?(.*)$/s.exec(each) ?? [];
    const read = readers[name];
    if (read === undefined || !known.includes(name))
      throw invalid(text, `expected behind ${kind}: and a ? only ${known.join("=, ")}=`);
    if (name in wishes) throw invalid(text, `${name} is there twice`);
    wishes[name] = reading(text, () => read(decoded(value)), `${name}: `);
  }
  const { pin, ca, insecure } = wishes;
  if ([pin, ca, insecure || undefined].filter((each) => each !== undefined).length > 1)
    throw invalid(text, "pin, ca and insecure cannot be used together");
  return wishes;
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    throw new InvalidArgumentError("expected percent signs as %25");
  }
}

function parseFlag(text: string): boolean {
  if (!["", "true", "false"].includes(text)) throw new InvalidArgumentError("expected true");
  return text !== "false";
}

/** @throws PortcatError (exit code 2) with what a parser of a part of it says */
function reading<T>(text: string, read: () => T, what = ""): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw invalid(text, `${what}${error.message}`);
    throw error;
  }
}

/** What looks like a URL may have a password in it. */
const invalid = (text: string, why: string): PortcatError =>
  usageError(`${text.includes("@") ? "a target" : `'${text}'`} is not valid: ${why}`);

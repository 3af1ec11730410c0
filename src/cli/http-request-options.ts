import { validateHeaderName, validateHeaderValue } from "node:http";
import type { Command } from "commander";
import { usageError } from "../errors.ts";

/** A header as typed; one without a value takes a default one away. */
export type TypedHeader = readonly [name: string, value: string];

export interface HttpRequestFlags {
  method?: string;
  header?: string[];
  data?: string;
  include?: boolean;
  fail?: boolean;
  follow?: boolean;
  unix?: string;
  idleTimeout?: number;
  timeout?: number;
  raw?: boolean;
}

// Headers, methods and the URL are read when all of the command line is known, and not one by one:
// the parser of options shows a value that is not valid, and these may hold a secret.

/** @throws PortcatError (exit code 2) that does not tell the value */
export function parseHeader(text: string): TypedHeader {
  const colon = text.indexOf(":");
  if (colon < 1) throw usageError("--header is not valid: expected 'Name: value'");
  const [name, value] = [text.slice(0, colon), text.slice(colon + 1).trim()];
  try {
    validateHeaderName(name);
  } catch {
    throw usageError("--header is not valid: expected a name of letters, digits and dashes first");
  }
  try {
    validateHeaderValue(name, value);
  } catch {
    throw usageError(`--header ${name} is not valid: its value has a character that none can have`);
  }
  return [name, value];
}

/** Reads a method (RFC 9110, section 9.1), in upper case, as Node sends it. */
export function parseMethod(text: string): string {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text))
    throw usageError("--method is not valid: expected a word such as GET, PUT or DELETE");
  const method = text.toUpperCase();
  if (method === "CONNECT") throw usageError("--method CONNECT is for proxies only");
  return method;
}

export function httpRequestOptions(command: Command): void {
  command
    .option("-X, --method <name>", "GET, or POST with --data, unless given here")
    .option(
      "-H, --header <name: value>",
      "a header (repeatable); 'Name:' leaves a default one out",
      (text: string, before: string[] | undefined) => [...(before ?? []), text],
    )
    .option("-d, --data <body>", "the body: text, @path for a file, - for stdin")
    .option("--include", "write the status line and the headers before the body")
    .option("--fail", "exit code 11 for a status of 400 and up")
    .option("--follow", "follow redirects, at most 10")
    .option("--unix <path>", "connect to this UNIX socket instead of the URL's host");
}

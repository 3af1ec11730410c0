import type { Command } from "commander";
import { usageError } from "../errors.ts";

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

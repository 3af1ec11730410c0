import { InvalidArgumentError } from "commander";

/** Text that has to be somewhere in what comes, or a pattern for it. */
export type Expectation = string | RegExp;

/** Reads text, or a pattern between slashes with flags behind it, as JavaScript has them: "/ready/i". */
export function parseExpectation(text: string): Expectation {
  if (text === "") throw new InvalidArgumentError("expected some text, or a /pattern/");
  const [, pattern, flags = ""] = /^\/(.+)\/([a-z]*)$/s.exec(text) ?? [];
  if (pattern === undefined) return text;
  try {
    // What it matched the last time is of no interest.
    return new RegExp(pattern, flags.replaceAll(/[gy]/g, ""));
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

const escapes = new Map([
  ["r", "\r"],
  ["n", "\n"],
  ["t", "\t"],
  ["0", "\0"],
  ["\\", "\\"],
]);

/** Reads text in which \r, \n, \t, \0, \\ and \xHH stand for bytes, as printf(1) has them. */
export function parseSend(text: string): Buffer {
  if (text === "") throw new InvalidArgumentError("expected some text");
  const parts = text.split(/(\\(?:x[0-9a-f]{2}|.|$))/is).map((part, nth) => {
    if (nth % 2 === 0) return Buffer.from(part);
    const letter = part.slice(1);
    const plain = escapes.get(letter);
    if (plain !== undefined) return Buffer.from(plain);
    if (letter.length === 3) return Buffer.from(letter.slice(1), "hex");
    throw new InvalidArgumentError(
      `expected \\r, \\n, \\t, \\0, \\xHH, or \\\\ for a backslash, and not '${part}'`,
    );
  });
  return Buffer.concat(parts);
}

export type StatusRange = readonly [from: number, to: number];

/** Reads statuses of HTTP: "200", "200-399", "200,404". */
export function parseStatuses(text: string): StatusRange[] {
  return text.split(",").map((each) => {
    const [, from = "", to = from] = /^(\d{3})(?:-(\d{3}))?$/.exec(each) ?? [];
    const range = [Number(from), Number(to)] as const;
    if (from === "" || range[0] < 100 || range[1] > 599 || range[0] > range[1])
      throw new InvalidArgumentError(
        "expected statuses from 100 to 599, such as 200-399 or 200,404",
      );
    return range;
  });
}

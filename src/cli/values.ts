import { InvalidArgumentError } from "commander";
import { longestDatagram } from "../flow/framing.ts";

/** Each parser turns text, as typed, into a value, or throws InvalidArgumentError saying what was expected. */

/** The longest time a timer of Node can wait. */
const longestMs = 2 ** 31 - 1;

const timeUnits = new Map([
  ["ms", 1],
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["", 1000],
]);

/**
 * Reads a time: "250ms", "1.5s", "2m", "1h", or plain seconds.
 *
 * @returns milliseconds, at most 2^31 - 1 (24 days); 0 only for "0" with any unit
 */
export function parseTime(text: string): number {
  const match = /^(\d+(?:\.\d+)?|\.\d+)(ms|s|m|h|)$/.exec(text);
  const milliseconds = Number(match?.[1]) * (timeUnits.get(match?.[2] ?? "") ?? NaN);
  if (match === null || !(milliseconds === 0 || milliseconds >= 1))
    throw new InvalidArgumentError(
      "expected a time such as 250ms, 1.5s, 2m or 1h; without a unit it is seconds",
    );
  if (milliseconds > longestMs)
    throw new InvalidArgumentError("expected a time of at most 24 days (596h)");
  return Math.round(milliseconds);
}

/** A time that cannot be 0. */
export function parsePositiveTime(text: string): number {
  const milliseconds = parseTime(text);
  if (milliseconds === 0) throw new InvalidArgumentError("expected a time longer than 0");
  return milliseconds;
}

/** A time of at least a second, as the system counts it for keep-alive: a part of one is one more. */
export function parseSeconds(text: string): number {
  const milliseconds = parseTime(text);
  if (milliseconds < 1000) throw new InvalidArgumentError("expected a time of at least 1s");
  return Math.ceil(milliseconds / 1000) * 1000;
}

const sizeUnits = new Map([
  ["", 1],
  ["b", 1],
  ["k", 1024],
  ["kb", 1000],
  ["kib", 1024],
  ["m", 1024 ** 2],
  ["mb", 1000 ** 2],
  ["mib", 1024 ** 2],
  ["g", 1024 ** 3],
  ["gb", 1000 ** 3],
  ["gib", 1024 ** 3],
  ["t", 1024 ** 4],
  ["tb", 1000 ** 4],
  ["tib", 1024 ** 4],
]);

/**
 * Reads a size as dd(1) does: "64k" and "1MiB" count in 1024, "10MB" in 1000, plain digits are bytes.
 *
 * @returns a whole number of bytes, 1 to 2^53 - 1
 */
export function parseSize(text: string): number {
  const [, whole = "", fraction = "", unit = ""] =
    /^(\d{1,16})(?:\.(\d{1,16}))?([a-z]*)$/i.exec(text) ?? [];
  const scale = sizeUnits.get(unit.toLowerCase());
  // In whole numbers, for 1.001kB is 1001 bytes and 1000.9999999999999 is not.
  const scaled = BigInt(whole + fraction) * BigInt(scale ?? 0);
  const divisor = 10n ** BigInt(fraction.length);
  const bytes = scaled % divisor === 0n ? Number(scaled / divisor) : NaN;
  if (!Number.isSafeInteger(bytes) || bytes < 1)
    throw new InvalidArgumentError(
      "expected a size such as 500, 64k, 1MiB or 10MB (whole bytes, at least 1)",
    );
  return bytes;
}

/** A size that one datagram can have: 1 to 65507 bytes. */
export function parseChunkSize(text: string): number {
  return atMost(longestDatagram, text);
}

/** A size of a socket's buffer: the system takes it as a C int. */
export function parseBufferSize(text: string): number {
  return atMost(2 ** 31 - 1, text);
}

function atMost(most: number, text: string): number {
  const bytes = parseSize(text);
  if (bytes > most) throw new InvalidArgumentError(`expected at most ${String(most)} bytes`);
  return bytes;
}

/** A parser of decimal whole numbers within bounds, both included. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(value >= least && value <= most))
      throw new InvalidArgumentError(
        `expected a whole number from ${String(least)} to ${String(most)}`,
      );
    return value;
  };
}

/** A path that is not empty. */
export function parsePath(text: string): string {
  if (text === "") throw new InvalidArgumentError("expected a path");
  return text;
}

/** Reads the permission bits of a file in octal: "600", "0660". */
export function parseMode(text: string): number {
  if (!/^0?[0-7]{3}$/.test(text))
    throw new InvalidArgumentError("expected permission bits in octal, such as 600 or 0660");
  return parseInt(text, 8);
}

/** Reads bytes written as pairs of hex digits; "" is no byte. */
export function parseHex(text: string): Buffer {
  const digits = text.replaceAll(/\s/g, "");
  if (!/^(?:[0-9a-f]{2})*$/i.test(digits))
    throw new InvalidArgumentError("expected pairs of hex digits, such as 48656c6c6f");
  return Buffer.from(digits, "hex");
}

const namedCodePoints = new Map([
  ["ef", 46],
  ["va", 44],
  ["le", 1],
]);

/**
 * Reads a differentiated services code point: 0 to 63, or a name of RFC 2474 (cs0 to cs7), 2597
 * (af11 to af43), 3246 (ef), 5865 (va) or 8622 (le).
 */
export function parseDscp(text: string): number {
  const name = text.toLowerCase();
  const named = namedCodePoints.get(name);
  if (named !== undefined) return named;
  const selector = /^cs([0-7])$/.exec(name)?.[1];
  if (selector !== undefined) return Number(selector) * 8;
  const [, af, drop] = /^af([1-4])([1-3])$/.exec(name) ?? [];
  if (af !== undefined) return Number(af) * 8 + Number(drop) * 2;
  if (/^\d+$/.test(name) && Number(name) <= 63) return Number(name);
  throw new InvalidArgumentError(
    "expected 0 to 63, or a name: cs0 to cs7, af11 to af43, ef, va, le",
  );
}

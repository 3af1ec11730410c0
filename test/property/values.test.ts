import { InvalidArgumentError } from "commander";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  parseBufferSize,
  parseChunkSize,
  parseDscp,
  parseHex,
  parseMode,
  parsePositiveTime,
  parseSize,
  parseTime,
  wholeNumber,
} from "../../src/cli/values.ts";

const runs = { numRuns: 2000 };
const digits = "0123456789";

/** Any text, and often text that is nearly what the parser takes. */
const nearly = (alphabet: string): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 7 }) },
    { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 7 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        ...["", " ", "-1", "+1", "1e3", "0x10", "NaN", "Infinity", "1_000", "१", "1", "½", "\0"],
        ...["constructor", "__proto__", "toString", "valueOf", "hasOwnProperty"],
      ),
    },
  );

/** The parser takes what the oracle finds a value for, with that value, and refuses the rest. */
function agrees<Value>(
  parse: (text: string) => unknown,
  texts: fc.Arbitrary<string>,
  oracle: (text: string) => Value | undefined,
  same: (actual: unknown, expected: Value) => void = (actual, expected) =>
    expect(actual).toEqual(expected),
): void {
  fc.assert(
    fc.property(texts, (text) => {
      const expected = oracle(text);
      if (expected === undefined) expect(() => parse(text)).toThrow(InvalidArgumentError);
      else same(parse(text), expected);
    }),
    runs,
  );
}

const only = (text: string, alphabet: string) => [...text].every((each) => alphabet.includes(each));
const isDigits = (text: string) => text !== "" && only(text, digits);

/** A decimal number as an exact fraction, its numerator and the power of ten below it. */
function decimal(text: string, allow: { bareFraction: boolean }) {
  const [integer = "", fraction, ...more] = text.split(".");
  if (more.length > 0 || (fraction !== undefined && !isDigits(fraction))) return undefined;
  if (!isDigits(integer) && !(allow.bareFraction && integer === "" && fraction !== undefined))
    return undefined;
  return {
    numerator: BigInt(integer + (fraction ?? "")),
    denominator: 10n ** BigInt(fraction?.length ?? 0),
  };
}

/** Number and unit, where the unit is all that comes after the last digit or point. */
function measure(text: string, units: Record<string, bigint>, allow: { bareFraction: boolean }) {
  let length = text.length;
  while (length > 0 && !(digits + ".").includes(text.charAt(length - 1))) length--;
  const unit = text.slice(length);
  const number = decimal(text.slice(0, length), allow);
  if (number === undefined || !Object.hasOwn(units, unit)) return undefined;
  return { ...number, numerator: number.numerator * (units[unit] ?? 0n) };
}

const number = fc.oneof(
  fc.nat().map(String),
  fc.tuple(fc.nat(2000), fc.stringMatching(/^[0-9]{1,4}$/)).map((parts) => parts.join(".")),
  fc.stringMatching(/^\.[0-9]{1,4}$/),
  fc.constantFrom("0", "0.0", "00", "2147483647", "2147483648", "2147483.647", "2147483.648"),
  fc.constantFrom("35791.394", "35791.395", "596.523", "596.524", "0.0004", "0.0005", "0.001"),
);

describe("times", () => {
  const units = { ms: 1n, s: 1000n, m: 60_000n, h: 3_600_000n, "": 1000n };
  /** Exact milliseconds times 10^k, where the text is a time: 0, or 1 ms to 2^31 - 1 ms. */
  const oracle = (least: bigint) => (text: string) => {
    const time = measure(text, units, { bareFraction: true });
    if (time === undefined) return undefined;
    const { numerator, denominator } = time;
    if (numerator === 0n) return least === 0n ? time : undefined;
    if (numerator < denominator || numerator > (2n ** 31n - 1n) * denominator) return undefined;
    return time;
  };
  const close = (actual: unknown, exact: { numerator: bigint; denominator: bigint }) => {
    expect(actual).toSatisfy(Number.isSafeInteger);
    const off = Number(actual) - Number(exact.numerator) / Number(exact.denominator);
    expect(Math.abs(off)).toBeLessThan(0.5 + 1e-6);
  };
  const texts = fc.oneof(
    nearly(digits + ".smh "),
    fc
      .tuple(number, fc.constantFrom("", "ms", "s", "m", "h", "d", "S", " s"))
      .map((x) => x.join("")),
  );

  test("a time is a decimal number and a unit, 24 days at most, and nothing else", () =>
    agrees(parseTime, texts, oracle(0n), close));
  test("a time that has to be positive is the same without 0", () =>
    agrees(parsePositiveTime, texts, oracle(1n), close));
  test("whole milliseconds survive a round trip in every unit", () =>
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 - 1 }), (milliseconds) => {
        expect(parseTime(`${String(milliseconds)}ms`)).toBe(milliseconds);
        expect(parseTime((milliseconds / 1000).toFixed(3))).toBe(milliseconds);
        expect(parseTime(`${(milliseconds / 1000).toFixed(3)}s`)).toBe(milliseconds);
      }),
      runs,
    ));
});

describe("sizes", () => {
  const units: Record<string, bigint> = { "": 1n, b: 1n };
  for (const [power, letter] of [..."kmgt"].entries()) {
    units[letter] = units[`${letter}ib`] = 1024n ** BigInt(power + 1);
    units[`${letter}b`] = 1000n ** BigInt(power + 1);
  }
  const oracle = (most: bigint) => (text: string) => {
    const plain = [...text].every((each) => each <= "\x7f") ? text.toLowerCase() : text;
    const size = measure(plain, units, { bareFraction: false });
    if (size === undefined || size.numerator % size.denominator !== 0n) return undefined;
    const bytes = size.numerator / size.denominator;
    return bytes >= 1n && bytes <= most ? Number(bytes) : undefined;
  };
  const texts = fc.oneof(
    nearly(digits + ".kKmMgGtTiIbB"),
    fc
      .tuple(number, fc.constantFrom("", ...Object.keys(units), "KiB", "MB", "x", "bk", " k", "ki"))
      .map((parts) => parts.join("")),
    fc.bigInt({ min: 2n ** 53n - 3n, max: 2n ** 53n + 3n }).map(String),
    fc.constantFrom("65507", "65508", "64k", "63.9k", "2147483647", "2147483648", "2g", "8191t"),
  );

  test("a size is a number and a unit that make whole bytes, at least 1, and nothing else", () =>
    agrees(parseSize, texts, oracle(2n ** 53n - 1n)));
  test("a datagram's size is one up to 65507", () => agrees(parseChunkSize, texts, oracle(65507n)));
  test("a buffer's size is one up to 2^31 - 1", () =>
    agrees(parseBufferSize, texts, oracle(2n ** 31n - 1n)));
  test("a fraction of a unit that is whole bytes is taken for exactly these bytes", () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000_000 }), (bytes) => {
        expect(parseSize(`${(bytes / 1000).toFixed(3)}kB`)).toBe(bytes);
        expect(parseSize(`${(bytes / 1e6).toFixed(6)}MB`)).toBe(bytes);
      }),
      runs,
    ));
});

test("a whole number is decimal digits within its bounds, and nothing else", () =>
  fc.assert(
    fc.property(fc.nat(1000), fc.nat(100_000), nearly(digits), (least, more, text) => {
      const parse = wholeNumber(least, least + more);
      const value = isDigits(text) ? BigInt(text) : -1n;
      if (value >= least && value <= least + more) expect(parse(text)).toBe(Number(value));
      else expect(() => parse(text)).toThrow(InvalidArgumentError);
      expect(parse(String(least))).toBe(least);
      expect(parse(String(least + more))).toBe(least + more);
      expect(() => parse(String(least + more + 1))).toThrow(InvalidArgumentError);
    }),
    runs,
  ));

test("permission bits are three octal digits, perhaps after a 0, and nothing else", () => {
  const all = new Map<string, number>();
  for (let mode = 0; mode < 512; mode++) {
    const text = mode.toString(8).padStart(3, "0");
    all.set(text, mode).set(`0${text}`, mode);
  }
  for (const [text, mode] of all) expect(parseMode(text)).toBe(mode);
  agrees(parseMode, nearly("0123456789"), (text) => all.get(text));
});

describe("bytes in hex", () => {
  const hex = "0123456789abcdef";

  test("bytes survive a round trip, in either case and with white space anywhere", () =>
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 40 }),
        fc.array(fc.tuple(fc.nat(80), fc.constantFrom(" ", "\n", "\t"))),
        fc.boolean(),
        (bytes, spaces, upper) => {
          let text = Array.from(bytes, (byte) => (byte + 256).toString(16).slice(1)).join("");
          if (upper) text = text.toUpperCase();
          for (const [at, space] of spaces) text = text.slice(0, at) + space + text.slice(at);
          expect(parseHex(text)).toEqual(Buffer.from(bytes));
        },
      ),
      runs,
    ));
  test("an odd number of digits, and anything that is no digit, is refused", () =>
    agrees(
      parseHex,
      nearly(hex + "ABCDEFgx").map((text) => text.replaceAll(/\s/g, "")),
      (text) => {
        if (text.length % 2 !== 0 || !only(text.toLowerCase(), hex)) return undefined;
        const pairs = Array.from({ length: text.length / 2 }, (_, i) =>
          text.slice(2 * i, 2 * i + 2),
        );
        return Buffer.from(pairs.map((pair) => Number(`0x${pair}`)));
      },
    ));
});

test("a code point is 0 to 63 or a name of the RFCs, in either case, and nothing else", () => {
  const names = new Map([
    ["ef", 46],
    ["va", 44],
    ["le", 1],
    // RFC 2474, section 4.2.2.1, and the table of RFC 2597, section 6.
    ...[0, 8, 16, 24, 32, 40, 48, 56].map((value, i) => [`cs${String(i)}`, value] as const),
    ...[10, 12, 14].map((value, i) => [`af1${String(i + 1)}`, value] as const),
    ...[18, 20, 22].map((value, i) => [`af2${String(i + 1)}`, value] as const),
    ...[26, 28, 30].map((value, i) => [`af3${String(i + 1)}`, value] as const),
    ...[34, 36, 38].map((value, i) => [`af4${String(i + 1)}`, value] as const),
  ]);
  for (const [name, value] of names) expect([name, parseDscp(name)]).toEqual([name, value]);
  agrees(
    parseDscp,
    fc.oneof(
      nearly(digits + "csaflev"),
      fc.constantFrom(...names.keys(), "CS0", "Ef", "aF43", "af44", "cs8", "af50", "63", "64"),
    ),
    (text) => {
      if (isDigits(text)) return BigInt(text) <= 63n ? Number(text) : undefined;
      return names.get(text.toLowerCase());
    },
  );
});

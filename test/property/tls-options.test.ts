import fc from "fast-check";
import { InvalidArgumentError } from "commander";
import { describe, expect, test } from "vitest";
import { parseAlpn, parsePin } from "../../src/cli/tls-options.ts";

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 });
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("a pin", () => {
  test("is the same with and without colons, in either case", () =>
    fc.assert(
      fc.property(digest, fc.boolean(), fc.boolean(), (bytes, colons, upper) => {
        const hex = hexOf(bytes);
        const digits = colons ? (hex.match(/../g) ?? []).join(":") : hex;
        const typed = `sha256:${upper ? digits.toUpperCase() : digits}`;
        expect(parsePin(typed)).toBe(hex);
      }),
    ));

  test("is nothing else than sha256: and 64 hex digits", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `sha256:${text}`),
        ),
        (text) => {
          fc.pre(!/^sha256:[0-9a-f]{64}$/i.test(text));
          expect(() => parsePin(text)).toThrow(InvalidArgumentError);
        },
      ),
    ));

  test("that is a digit short, long or wrong is no pin", () =>
    fc.assert(
      fc.property(digest, fc.nat(63), (bytes, at) => {
        const hex = hexOf(bytes);
        for (const wrong of [
          hex.slice(1),
          `${hex}0`,
          `${hex.slice(0, at)}g${hex.slice(at + 1)}`,
          `:${hex}`,
        ])
          expect(() => parsePin(`sha256:${wrong}`)).toThrow(InvalidArgumentError);
      }),
    ));
});

test("names of protocols are 1 to 255 bytes each, with commas between them", () =>
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" }), { minLength: 1 }), (names) => {
      const split = names.join(",").split(",");
      const valid = split.every((name) => name !== "" && Buffer.byteLength(name) <= 255);
      if (valid) expect(parseAlpn(names.join(","))).toEqual(split);
      else expect(() => parseAlpn(names.join(","))).toThrow(InvalidArgumentError);
    }),
  ));

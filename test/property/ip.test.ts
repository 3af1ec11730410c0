import net from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { isIP } from "../../src/ip.ts";

const runs = { numRuns: 5000 };

/** What addresses are made of, and what looks like it. */
const letters = "0123456789abcdefABCDEFg.:%/[] -x\0\n١";
const pieces = [
  "",
  "::",
  ":",
  ".",
  "%",
  "%lo",
  "%0",
  "::ffff:",
  "0",
  "00",
  "1.2.3.4",
  "ffff",
  "\n",
];

const letter = fc.constantFrom(...letters);
const piece = fc.oneof(letter, fc.constantFrom(...pieces));
const address = fc.oneof(fc.ipV4(), fc.ipV4Extended(), fc.ipV6());

/** An address with something taken away at some places and something else put there. */
const spoilt = fc
  .tuple(address, fc.array(fc.tuple(fc.nat(45), fc.nat(3), piece), { minLength: 1, maxLength: 3 }))
  .map(([text, changes]) =>
    changes.reduce((now, [at, gone, come]) => now.slice(0, at) + come + now.slice(at + gone), text),
  );

/** A link-local address with its interface (RFC 4007, section 11). */
const zoned = fc
  .tuple(fc.ipV6(), fc.string({ unit: "grapheme", maxLength: 8 }))
  .map(([text, zone]) => `${text}%${zone}`);

/** An IPv4 address in its mapped form, and what is nearly one. */
const mapped = fc.tuple(fc.constantFrom("::ffff:", "::", "64:ff9b::", "1:2:3:4:5:6:"), fc.ipV4());

const texts = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.ipV4Extended(),
  spoilt,
  zoned,
  mapped.map((parts) => parts.join("")),
  fc.array(piece, { maxLength: 12 }).map((parts) => parts.join("")),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.domain(),
);

test("a text is a numeric address exactly where it is one for Node", () => {
  fc.assert(
    fc.property(texts, (text) => {
      expect(isIP(text)).toBe(net.isIP(text));
    }),
    runs,
  );
});

test.each<[text: string, version: 0 | 4 | 6]>([
  ["127.0.0.1", 4],
  ["255.255.255.255", 4],
  ["256.0.0.1", 0],
  ["127.1", 0],
  ["010.0.0.1", 0],
  ["1.2.3.4\n", 0],
  ["::", 6],
  ["::ffff:127.0.0.1", 6],
  ["fe80::1%lo", 6],
  ["fe80::1%eth0.100", 6],
  ["[::1]", 0],
  ["1.2.3.4%lo", 0],
  ["12345", 0],
  ["cafe", 0],
  ["", 0],
])("%j is a numeric address of version %i, or 0: none", (text, version) => {
  expect([isIP(text), net.isIP(text)]).toEqual([version, version]);
});

import { InvalidArgumentError } from "commander";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parsePorts } from "../../src/cli/ports.ts";

const runs = { numRuns: 1000 };
const port = fc.integer({ min: 1, max: 65535 });
const range = fc.tuple(port, port).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
const short = fc
  .tuple(port, fc.integer({ min: 0, max: 50 }))
  .map(([first, more]) => [first, Math.min(first + more, 65535)] as const);

test("ports and ranges, with commas or as words, are each port once, the lowest first", () =>
  fc.assert(
    fc.property(fc.array(fc.array(short, { minLength: 1 }), { minLength: 1 }), (words) => {
      const typed = words.map((ranges) =>
        ranges
          .map(([first, last]) =>
            first === last ? String(first) : `${String(first)}-${String(last)}`,
          )
          .join(","),
      );
      const wanted = new Set<number>();
      for (const [first, last] of words.flat())
        for (let each = first; each <= last; each++) wanted.add(each);
      expect(parsePorts(typed, "tcp")).toEqual([...wanted].toSorted((a, b) => a - b));
    }),
    runs,
  ));

test("a range that runs backwards is refused", () =>
  fc.assert(
    fc.property(range, ([first, last]) => {
      fc.pre(first < last);
      const typed = `${String(last)}-${String(first)}`;
      expect(() => parsePorts([typed], "tcp")).toThrow(InvalidArgumentError);
    }),
    runs,
  ));

test("anything else is refused, or the name of a service", () =>
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: fc.constantFrom(..."0123456789-, :+.ex"), maxLength: 9 }),
        fc.string({ unit: "binary", maxLength: 5 }),
        fc.constantFrom("0", "65536", "1-", "-1", "1-65536", "constructor", "__proto__", "0x50"),
      ),
      (text): void => {
        const each = text.split(",");
        const isPorts = each.every((word) => {
          const [, low = "", high = low] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(word) ?? [];
          return low !== "" && Number(low) >= 1 && Number(high) <= 65535 && +low <= +high;
        });
        let taken: number[] | undefined;
        try {
          taken = parsePorts([text], "tcp");
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidArgumentError);
        }
        // What else has been taken is names, perhaps with ports between them.
        const hasNames = each.some((word) => /^[a-z]/i.test(word));
        if (isPorts) expect(taken).toBeDefined();
        else if (!hasNames) expect(taken).toBeUndefined();
      },
    ),
    runs,
  ));

test("services have the ports that IANA gave them", () => {
  expect(parsePorts(["https", "SSH", "domain,http"], "tcp")).toEqual([22, 53, 80, 443]);
  expect(parsePorts(["ntp"], "udp")).toEqual([123]);
});

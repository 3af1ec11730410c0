import { isIPv4, isIPv6 } from "node:net";
import { InvalidArgumentError } from "commander";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  isMulticast,
  parseHost,
  parseMembership,
  parsePlace,
  parsePort,
  parseSource,
} from "../../src/cli/place.ts";

const runs = { numRuns: 2000 };

const port = fc.integer({ min: 0, max: 65535 });
const least = fc.constantFrom(0 as const, 1 as const);
const ipv4 = fc.ipV4();
const ipv6 = fc.ipV6();
const label = fc.stringMatching(/^[a-zA-Z]([a-z0-9-]{0,10}[a-z0-9])?$/);
const name = fc.oneof(
  fc.domain(),
  fc.constantFrom("localhost", "db", "under_score", "xn--bcher-kva.example", "bücher.example"),
  fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join(".")),
);

const anything = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.string({ unit: fc.constantFrom(..."0123456789:[].%@a- "), maxLength: 12 }),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 8 }) },
  { weight: 1, arbitrary: fc.constantFrom("::1", "[::1]", "1.2.3.4", "127.1", "constructor") },
);

const refuses = (parse: () => unknown) => expect(parse).toThrow(InvalidArgumentError);
const digits = "0123456789";
const isDigits = (text: string) => text !== "" && [...text].every((each) => digits.includes(each));

describe("ports", () => {
  test("every port from the least to 65535 is taken for itself", () => {
    for (let number = 0; number <= 65535; number++)
      if (parsePort(String(number)) !== number) expect.unreachable(`port ${String(number)}`);
    expect(parsePort("1", 1)).toBe(1);
    refuses(() => parsePort("0", 1));
  });

  test("anything but decimal digits in that range is refused", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          anything,
          fc.integer({ min: -70_000, max: 140_000 }).map(String),
          fc
            .tuple(port, fc.constantFrom("x", " ", "\n", ".0", "e0"))
            .map((parts) => parts.join("")),
          fc.tuple(fc.constantFrom("+", "-", " ", "0x"), port).map((parts) => parts.join("")),
        ),
        least,
        (text, least) => {
          // Zeros in front are taken, up to six digits in all.
          const valid =
            isDigits(text) && text.length <= 6 && Number(text) >= least && Number(text) <= 65535;
          if (valid) expect(parsePort(text, least)).toBe(Number(text));
          else refuses(() => parsePort(text, least));
        },
      ),
      runs,
    ));
});

describe("hosts", () => {
  test("names and addresses are taken as they are, an IPv6 address without its brackets", () =>
    fc.assert(
      fc.property(name, ipv4, ipv6, (name, ipv4, ipv6) => {
        expect(parseHost(name)).toBe(name);
        expect(parseHost(ipv4)).toBe(ipv4);
        expect(parseHost(ipv6)).toBe(ipv6);
        expect(parseHost(`[${ipv6}]`)).toBe(ipv6);
        expect(parseHost(`[${ipv6}%eth0]`)).toBe(`${ipv6}%eth0`);
      }),
      runs,
    ));

  test("an address in an old or broken form is refused, not left to the resolver", () => {
    const numbers = fc.array(fc.nat(300), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(numbers, (numbers) => {
        const text = numbers.join(".");
        const valid = numbers.length === 4 && numbers.every((each) => each <= 255);
        if (valid) expect(parseHost(text)).toBe(text);
        else refuses(() => parseHost(text));
      }),
      runs,
    );
    for (const text of ["010.0.0.1", "1.2.3.04", "1..2", ".", "1.2.3.4.", "127.1"])
      refuses(() => parseHost(text));
  });

  test("what has white space, control characters, colons, brackets, / or @ is no host", () =>
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 6 }),
        fc.constantFrom(..." \t\n\0\x1b\x7f\u0085\u00a0\u2028:[]/@"),
        fc.string({ unit: "binary", maxLength: 6 }),
        (before, bad, after) => {
          const text = before + bad + after;
          const inner = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
          if (!isIPv6(inner)) refuses(() => parseHost(text));
        },
      ),
      runs,
    ));

  test.each([
    "",
    "[]",
    "[127.0.0.1]",
    "[localhost]",
    "[::1",
    "::1]",
    "[[::1]]",
    "::g",
    "a".repeat(256),
  ])("%j is no host", (text) => refuses(() => parseHost(text)));
});

describe("places", () => {
  const leastOf = (port: number) => (port === 0 ? 0 : 1);

  test("every way to write a place gives its host and port", () =>
    fc.assert(
      fc.property(fc.oneof(name, ipv4), ipv6, port, (host, ipv6, number) => {
        const port = String(number);
        const least = leastOf(number);
        const parse = (...words: string[]) => parsePlace(words, least);
        expect(parse(port)).toEqual({ host: undefined, port: number });
        expect(parse(`:${port}`)).toEqual({ host: undefined, port: number });
        expect(parse(`${host}:${port}`)).toEqual({ host, port: number });
        expect(parse(host, port)).toEqual({ host, port: number });
        expect(parse(`[${ipv6}]:${port}`)).toEqual({ host: ipv6, port: number });
        expect(parse(ipv6, port)).toEqual({ host: ipv6, port: number });
        expect(parse(`[${ipv6}]`, port)).toEqual({ host: ipv6, port: number });
        if (number === 0)
          for (const words of [["0"], [":0"], [`${host}:0`], [host, "0"], [`[${ipv6}]:0`]])
            refuses(() => parsePlace(words, 1));
      }),
      runs,
    ));

  test("one word is refused or is, written out again, the same place", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          anything,
          fc.tuple(anything, anything).map((parts) => parts.join(":")),
        ),
        (word) => {
          let place;
          try {
            place = parsePlace([word], 0);
          } catch (error) {
            expect(error).toBeInstanceOf(InvalidArgumentError);
            // Refused with reason: it has no port, or no host before it.
            const [, host = "", port = ""] = /^(?:(.*):)?([^:]*)$/su.exec(word) ?? [];
            const hostIsFine =
              host === "" || (/^\[.*\]$/su.test(host) ? isIPv6(host.slice(1, -1)) : isIPv4(host));
            const portIsFine = isDigits(port) && port.length <= 6 && Number(port) <= 65535;
            expect(hostIsFine && portIsFine).toBe(false);
            return;
          }
          const { host, port } = place;
          const zeros = (text: string) => text.replace(/0*(\d+)$/, "$1");
          const forms =
            host === undefined
              ? [`${String(port)}`, `:${String(port)}`]
              : [`${host.includes(":") ? `[${host}]` : host}:${String(port)}`];
          expect(forms.map(zeros)).toContain(zeros(word));
        },
      ),
      runs,
    ));

  test.each([
    [[]],
    [[""]],
    [["", "80"]],
    [["host"]],
    [["host:"]],
    [["::1"]],
    [["::1:80"]],
    [["[::1]"]],
    [["[::1]80"]],
    [["[]:80"]],
    [["[127.0.0.1]:80"]],
    [["host:80:90"]],
    [["80x"]],
    [["-1"]],
    [["65536"]],
    [["99999"]],
    [["host", ":80"]],
    [["host:80", "80"]],
    [["80", "90"]],
    [["host", "80", "90"]],
    [["host", "http"]],
    [["https://host:80"]],
    [["user@host:80"]],
  ])("%j is no place", (words) => refuses(() => parsePlace(words, 0)));
});

describe("source addresses", () => {
  test("a numeric address, perhaps with a port, gives its family and port", () =>
    fc.assert(
      fc.property(ipv4, ipv6, port, (ipv4, ipv6, port) => {
        const v4 = { address: ipv4, family: 4 };
        const v6 = { address: ipv6, family: 6 };
        expect(parseSource(ipv4)).toEqual({ ...v4, port: 0 });
        expect(parseSource(`${ipv4}:${String(port)}`)).toEqual({ ...v4, port });
        expect(parseSource(ipv6)).toEqual({ ...v6, port: 0 });
        expect(parseSource(`[${ipv6}]`)).toEqual({ ...v6, port: 0 });
        expect(parseSource(`[${ipv6}]:${String(port)}`)).toEqual({ ...v6, port });
      }),
      runs,
    ));

  test("a name, a broken address, a broken port or anything else is refused", () =>
    fc.assert(
      fc.property(
        fc.oneof(anything, name),
        fc.option(anything, { nil: undefined }),
        (host, port) => {
          const text = port === undefined ? host : `${host}:${port}`;
          const bare = text.replace(/:0*\d{1,5}$/, "").replace(/^\[(.*)\]$/, "$1");
          if (isIPv4(text) || isIPv6(text) || isIPv4(bare) || isIPv6(bare)) return;
          refuses(() => parseSource(text));
        },
      ),
      runs,
    ));

  test.each([
    "",
    ":80",
    "1.2.3.4:",
    "1.2.3.4:65536",
    "1.2.3.4:x",
    "[::1]:",
    "[::1]x",
    "[1.2.3.4]:80",
  ])("%j is no source", (text) => refuses(() => parseSource(text)));
});

describe("multicast memberships", () => {
  const group4 = fc
    .tuple(fc.integer({ min: 224, max: 239 }), fc.nat(255), fc.nat(255), fc.nat(255))
    .map((parts) => parts.join("."));
  const group6 = ipv6
    .filter((text) => !text.startsWith(":") && !text.includes("."))
    .map((text) => text.replace(/^[^:]*/, "ff02"));
  const unicast4 = fc
    .tuple(fc.integer({ min: 1, max: 223 }), fc.nat(255))
    .map(([a, b]) => `${String(a)}.0.0.${String(b)}`);
  const interfaceName = fc.stringMatching(/^[a-z][a-z0-9.-]{0,10}$/);

  test("group, interface and source are told apart", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.tuple(group4, unicast4),
          fc.tuple(group6, fc.constantFrom("2001:db8::1", "fd00::2")),
        ),
        interfaceName,
        ([group, source], name) => {
          expect(parseMembership(group)).toEqual({ group });
          expect(parseMembership(`${group}%${name}`)).toEqual({ group, interface: name });
          expect(parseMembership(`${source}@${group}`)).toEqual({ group, source });
          expect(parseMembership(`${source}@${group}%${name}`)).toEqual({
            group,
            source,
            interface: name,
          });
        },
      ),
      runs,
    ));

  test("what is no multicast group, or mixes families, is refused", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          unicast4,
          ipv6.filter((text) => !/^ff..:/i.test(text)),
          name,
          anything,
        ),
        group4,
        group6,
        (text, group4, group6) => {
          const [group = ""] = text.split("@").slice(-1);
          const first = Number(group.split("%")[0]?.split(".")[0]);
          fc.pre(!(first >= 224 && first <= 239) && !/^ff..:/i.test(group));
          refuses(() => parseMembership(text));
          refuses(() => parseMembership(`192.0.2.1@${group6}`));
          refuses(() => parseMembership(`2001:db8::1@${group4}`));
        },
      ),
      runs,
    ));

  test.each(["", "%eth0", "239.1.2.3%", "@239.1.2.3", "a@b@239.1.2.3", "239.1.2.3%a@b", "239.1.2"])(
    "%j is no membership",
    (text) => refuses(() => parseMembership(text)),
  );

  test("multicast is 224.0.0.0/4 and ff00::/8", () => {
    for (let first = 0; first < 256; first++)
      expect(isMulticast(`${String(first)}.1.2.3`)).toBe(first >= 224 && first < 240);
    for (const text of ["ff02::1", "FF0E::1", "ff00::", "ffff::1"])
      expect(isMulticast(text)).toBe(true);
    for (const text of ["::1", "fe80::1", "ff::1", "ff2::1", "2001:ff02::1", "name", ""])
      expect(isMulticast(text)).toBe(false);
  });
});

import { InvalidArgumentError } from "commander";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseExpectation, parseSend, parseStatuses } from "../../src/cli/expectation.ts";
import { parseTarget } from "../../src/cli/target.ts";
import { PortcatError } from "../../src/errors.ts";

const runs = { numRuns: 1000 };
const port = fc.integer({ min: 1, max: 65535 });
const host = fc.oneof(fc.ipV4(), fc.domain(), fc.constant("localhost"));
const text = fc.string({ unit: "binary", minLength: 1, maxLength: 12 });

describe("targets", () => {
  test("hosts, ports, and what is asked of them are read as they were written", () =>
    fc.assert(
      fc.property(
        fc.constantFrom("tcp", "tls", "udp"),
        host,
        port,
        text.filter((each) => !each.startsWith("/")),
        (kind, host, port, expected) => {
          const place = `${kind}:${host}:${String(port)}`;
          expect(parseTarget(place)).toMatchObject({ kind, host, port, wishes: {} });
          const query = `${place}?expect=${encodeURIComponent(expected)}`;
          expect(parseTarget(query)).toMatchObject({
            text: query,
            host,
            wishes: { expect: expected },
          });
        },
      ),
      runs,
    ));

  test("a place alone is TCP, and a port alone is localhost's", () =>
    fc.assert(
      fc.property(host, port, (host, port) => {
        expect(parseTarget(`${host}:${String(port)}`)).toMatchObject({ kind: "tcp", host, port });
        expect(parseTarget(String(port))).toMatchObject({ kind: "tcp", host: "localhost", port });
        expect(parseTarget(`tcp:${String(port)}`)).toMatchObject({ host: "localhost", port });
      }),
      runs,
    ));

  test.each([
    ["tcp:[::1]:80", { kind: "tcp", host: "::1", port: 80 }],
    ["unix:/run/x.sock", { kind: "unix", path: "/run/x.sock" }],
    ["unix:@name?expect=%2F%5Eok%2F", { kind: "unix", path: "@name", wishes: { expect: /^ok/ } }],
    ["file:done", { kind: "file", path: "done" }],
    ["http+unix:/run/x.sock:/health?x=1", { kind: "http", socketPath: "/run/x.sock" }],
    ["http+unix:/run/x.sock", { kind: "http", socketPath: "/run/x.sock" }],
    ["tls:mail:993?insecure", { kind: "tls", wishes: { insecure: true } }],
    [
      "tls:mail:993?servername=a.example&ca=ca.pem",
      { wishes: { servername: "a.example", ca: "ca.pem" } },
    ],
    ["https://db.example/x", { kind: "http", text: "https://db.example/x" }],
    [
      "http://me:secret@db.example",
      { text: "http://db.example/", authorization: "Basic bWU6c2VjcmV0" },
    ],
    [
      "tcp:redis:6379?send=PING%5Cr%5Cn&expect=+PONG",
      { wishes: { expect: "+PONG", send: Buffer.from("PING\r\n") } },
    ],
  ])("%s", (text, wanted) => expect(parseTarget(text)).toMatchObject(wanted));

  test("anything else is a usage error that repeats no password", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: fc.constantFrom(..."tcpudlshx+:/?=&@%.[]0123456789-"), maxLength: 14 }),
          fc.string({ unit: "binary", maxLength: 6 }),
          fc.constantFrom("constructor:1:2", "__proto__", "tcp:", "unix:", "file:", "http+unix:"),
          fc.constantFrom(
            "socket:/run/x",
            "tcp:db:0",
            "tcp:db:99999",
            "ftp://db",
            "http://u:p@h:x",
          ),
        ),
        (text) => {
          try {
            expect(parseTarget(text).text).not.toBe("");
          } catch (error) {
            expect(error).toBeInstanceOf(PortcatError);
            expect((error as PortcatError).exitCode).toBe(2);
            expect((error as PortcatError).message).not.toContain("sesame");
          }
        },
      ),
      runs,
    ));
});

describe("what is sent and expected", () => {
  test("text without backslashes is sent as it is, and \\xHH is that byte", () => {
    fc.assert(
      fc.property(
        text.filter((each) => !each.includes("\\")),
        (each): void => {
          expect(parseSend(each).toString()).toBe(each);
        },
      ),
      runs,
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
        const typed = Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`);
        expect(parseSend(typed.join(""))).toEqual(Buffer.from(bytes));
      }),
      runs,
    );
  });

  test.each(["\\", "a\\", "\\q", "\\x", "\\x4", "\\xzz", "\\\\\\"])(
    "%s is no text to send",
    (typed) => expect(() => parseSend(typed)).toThrow(InvalidArgumentError),
  );

  test("a pattern has slashes around it, and may have flags", () => {
    expect(parseExpectation("/^a.b$/i")).toEqual(/^a.b$/i);
    expect(parseExpectation("/x/gy")).toEqual(/x/);
    expect(parseExpectation("/etc")).toBe("/etc");
    expect(parseExpectation("//")).toBe("//");
    for (const typed of ["", "/(/", "/x/zz"])
      expect(() => parseExpectation(typed)).toThrow(InvalidArgumentError);
  });

  test("statuses are numbers and ranges from 100 to 599", () => {
    const status = fc.integer({ min: 100, max: 599 });
    fc.assert(
      fc.property(fc.array(fc.tuple(status, status), { minLength: 1 }), (pairs) => {
        const ranges = pairs.map(([a, b]) => [Math.min(a, b), Math.max(a, b)]);
        const typed = ranges.map(([low, high]) => `${String(low)}-${String(high)}`).join(",");
        expect(parseStatuses(typed)).toEqual(ranges);
      }),
      runs,
    );
    expect(parseStatuses("200,404")).toEqual([
      [200, 200],
      [404, 404],
    ]);
    for (const typed of ["", "99", "600", "300-200", "2xx", "200-", "200,"])
      expect(() => parseStatuses(typed)).toThrow(InvalidArgumentError);
  });
});

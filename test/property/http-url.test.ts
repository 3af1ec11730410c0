import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseHeader } from "../../src/cli/http-header.ts";
import { parseMethod } from "../../src/cli/http-request-options.ts";
import { parseHttpUrl } from "../../src/cli/http-url.ts";
import { PortcatError } from "../../src/errors.ts";

const runs = { numRuns: 2000 };
const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/);
const host = fc.oneof(
  fc.domain(),
  fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join(".")),
  fc.ipV4(),
  fc.ipV6().map((address) => `[${address}]`),
  fc.constantFrom("localhost", "under_score", "bücher.example"),
);
const port = fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined });
const scheme = fc.constantFrom("", "http://", "https://", "HTTP://");
const path = fc
  .array(fc.stringMatching(/^[\w~!$&'()*+,;=:@-]{1,8}$/), { maxLength: 4 })
  .map((parts) => parts.map((part) => `/${part}`).join(""));
const query = fc.option(fc.stringMatching(/^[\w~!$&()*+,;=:@/?-]{0,12}$/), { nil: undefined });
const fragment = fc.option(fc.stringMatching(/^[\w@:/?-]{0,8}$/), { nil: undefined });
const written = fc.record({ scheme, host, port, path, query, fragment });

function textOf({ scheme, host, port, path, query, fragment }: Written, credentials = "") {
  const tail = `${query === undefined ? "" : `?${query}`}${fragment === undefined ? "" : `#${fragment}`}`;
  return `${scheme}${credentials}${host}${port === undefined ? "" : `:${String(port)}`}${path}${tail}`;
}
type Written = typeof written extends fc.Arbitrary<infer T> ? T : never;

/** The message of a usage error. */
function misuse(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    expect(error).toBeInstanceOf(PortcatError);
    expect((error as PortcatError).exitCode).toBe(2);
    return (error as PortcatError).message;
  }
  expect.unreachable("it was taken");
}

describe("a URL", () => {
  test("is taken for what it says", () =>
    fc.assert(
      fc.property(written, (parts) => {
        const { url, authorization } = parseHttpUrl(textOf(parts));
        const secure = parts.scheme.toLowerCase() === "https://";
        expect(url.protocol).toBe(secure ? "https:" : "http:");
        const plain = new URL(`http://${parts.host}`);
        expect(url.hostname).toBe(plain.hostname);
        const usual = secure ? 443 : 80;
        expect(Number(url.port || usual)).toBe(parts.port ?? usual);
        expect(url.pathname).toBe(parts.path === "" ? "/" : parts.path);
        expect(url.search).toBe(parts.query ? `?${parts.query}` : "");
        expect(authorization).toBeUndefined();
      }),
      runs,
    ));

  const secret = fc.stringMatching(/^[\w~!$&()*+,;=.-]{4,12}$/).map((text) => `Z0${text}`);

  test("with credentials has them as Basic authentication (RFC 7617), and nowhere else", () =>
    fc.assert(
      fc.property(
        written,
        fc.string({ minLength: 1 }),
        fc.option(fc.string(), { nil: undefined }),
        (parts, user, password) => {
          const encoded = [user, ...(password === undefined ? [] : [password])];
          const typed = encoded.map((each) => encodeURIComponent(each)).join(":");
          const { url, authorization } = parseHttpUrl(textOf(parts, `${typed}@`));
          const pair = Buffer.from(authorization?.replace(/^Basic /, "") ?? "", "base64");
          expect(pair.toString()).toBe(`${user}:${password ?? ""}`);
          expect(url.href).toBe(parseHttpUrl(textOf(parts)).url.href);
        },
      ),
      runs,
    ));

  test("that is not valid says so without its credentials, however it is broken", () =>
    fc.assert(
      fc.property(
        written,
        secret,
        fc.constantFrom(
          (text: string) => text.replace(/^(\w+:\/\/)?/, "ftp://"),
          (text: string) => `${text} `,
          (text: string) => text.replace("@", "@[::g]"),
          (text: string) => text.replace("@", "/@"),
          (text: string) => text.replace("@", "%zz@"),
          (text: string) => text.replace("@", "\\@"),
          (text: string) => text.replace("@", "@x:99999/"),
          (text: string) => text.replace("@", "@/"),
          (text: string) => text.replace("@", "@127.1/"),
        ),
        (parts, secret, broken) => {
          const text = broken(textOf(parts, `me:${secret}@`));
          expect(misuse(() => parseHttpUrl(text))).not.toContain(secret);
        },
      ),
      runs,
    ));

  test("of any text is taken or a usage error of one line", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: fc.constantFrom(..."htps:/@[]%#?.a1 \\\n"), maxLength: 16 }),
          fc.string({ unit: "binary", maxLength: 10 }),
        ),
        (text) => {
          try {
            const { url } = parseHttpUrl(text);
            expect(url.protocol).toMatch(/^https?:$/);
            expect([url.username, url.password, /[\s\\]/.test(text)]).toEqual(["", "", false]);
          } catch (error) {
            expect(error).toBeInstanceOf(PortcatError);
            expect((error as PortcatError).exitCode).toBe(2);
          }
        },
      ),
      runs,
    ));

  test.each([
    ...["", "/", "//h/", "http://", "http:/h", "http:h", "mailto:me", "h:", "h:0", "h:65536"],
    ...["http:///h", "http://h:80:80/", "[::1", "::1", "[::g]", "[fe80::1%25eth0]", "0x7f.1"],
    ...[
      "127.1",
      "1.2.3.4.5",
      "256.1.1.1",
      "a b",
      "a\tb",
      "http://h\\@x/",
      "h%2ex",
      "ws://h",
      "a<b",
    ],
  ])("'%s' is none", (text) => {
    misuse(() => parseHttpUrl(text));
  });
});

test("a method is a token (RFC 9110, section 5.6.2), in upper case, and not CONNECT", () =>
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/)),
      (text) => {
        const isToken = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text);
        if (isToken && text.toUpperCase() !== "CONNECT")
          expect(parseMethod(text)).toBe(text.toUpperCase());
        else expect(misuse(() => parseMethod(text))).not.toBe("");
      },
    ),
    runs,
  ));

test("the value of a header is sent as UTF-8", () => {
  const [, value] = parseHeader("X: grüße, 5 €");
  expect(Buffer.from(value, "latin1").toString()).toBe("grüße, 5 €");
});

test("a header is a name, a colon and a value; the value of one that is not valid is not told", () =>
  fc.assert(
    fc.property(
      fc.stringMatching(/^[A-Za-z][A-Za-z-]{0,8}$/),
      fc.stringMatching(/^[\x21-\x7e]{4,12}$/).map((text) => `Z0${text}`),
      fc.constantFrom("", "\n", "\0", "\x7f"),
      (name, value, bad) => {
        const text = `${name}: ${value}${bad}${value}`;
        if (bad === "") expect(parseHeader(text)).toEqual([name, value + value]);
        else expect(misuse(() => parseHeader(text))).not.toContain(value);
        expect(misuse(() => parseHeader(value.replaceAll(":", "")))).not.toContain(value);
        expect(misuse(() => parseHeader(`${name} :${value}`))).not.toContain(value);
      },
    ),
    runs,
  ));

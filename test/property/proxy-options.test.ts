import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseProxy, withCredentials } from "../../src/cli/proxy-options.ts";
import { PortcatError } from "../../src/errors.ts";

const schemes = ["socks4", "socks4a", "socks5", "http", "https"] as const;
const scheme = fc.constantFrom(...schemes);
const label = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}[a-z0-9]$/);
const name = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join("."));
const host = fc.oneof(
  name.map((each) => [each, each] as const),
  fc.ipV4().map((each) => [each, each] as const),
  fc.constantFrom("::1", "fe80::1:2", "2001:db8::ffff").map((each) => [`[${each}]`, each] as const),
);
const port = fc.integer({ min: 1, max: 65535 });
/** Any text but control characters; what a URL cannot hold is percent-encoded. */
const secret = fc
  .string({ minLength: 1, maxLength: 40, unit: "grapheme" })
  .filter((text) => !/\p{Cc}/u.test(text));
const user = secret.filter((text) => !text.includes(":"));

function refused(text: string): PortcatError {
  try {
    parseProxy(text);
  } catch (error) {
    expect(error).toBeInstanceOf(PortcatError);
    return error as PortcatError;
  }
  throw new Error(`it was accepted: ${text}`);
}

describe("the URL of a proxy", () => {
  test("is read as it was meant, with its credentials", () =>
    fc.assert(
      fc.property(
        scheme,
        host,
        port,
        user,
        secret,
        (protocol, [typed, read], port, user, password) => {
          const both = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
          const own = protocol.startsWith("socks4") ? encodeURIComponent(user) : both;
          expect(parseProxy(`${protocol}://${own}@${typed}:${String(port)}`)).toEqual({
            protocol,
            host: read,
            port,
            credentials: { user, password: protocol.startsWith("socks4") ? "" : password },
          });
        },
      ),
    ));

  test.each([
    ["socks4", 1080],
    ["socks4a", 1080],
    ["socks5", 1080],
    ["http", 80],
    ["https", 443],
  ])("of %s without a port means %i", (protocol, port) => {
    expect(parseProxy(`${protocol}://proxy.test`)).toEqual({ protocol, host: "proxy.test", port });
    expect(parseProxy(`${protocol}://proxy.test/`)).toEqual({ protocol, host: "proxy.test", port });
  });

  test("is nothing of another scheme, and no message repeats it", () =>
    fc.assert(
      fc.property(fc.string(), fc.string({ minLength: 5 }), (text, password) => {
        fc.pre(!schemes.some((each) => text.toLowerCase().trim().startsWith(`${each}:`)));
        fc.pre(!"the URL of --proxy is not valid: expected".includes(password));
        const error = refused(`${text}joe:${password}@proxy.test:1`);
        expect(error.exitCode).toBe(2);
        expect(error.message.replace(/;? ?expected .*/, "")).not.toContain(password);
      }),
    ));

  test.each([
    "",
    "proxy.test",
    "proxy.test:1080",
    "socks5:proxy.test:1080",
    "socks5://",
    "socks5://:1080",
    "socks://proxy.test",
    "socks5h://proxy.test",
    "socks5://proxy.test:0",
    "socks5://proxy.test:65536",
    "socks5://proxy.test:x",
    "http://proxy.test:1/path",
    "http://proxy.test:1?query",
    "http://proxy.test:1#part",
    "socks5://a%20b:1",
    "socks5://a%zz@proxy.test:1",
    "socks5://a%ff@proxy.test:1",
    "socks5://:password@proxy.test",
    `socks5://${"u".repeat(256)}:p@proxy.test`,
    `socks5://u:${"é".repeat(128)}@proxy.test`,
    "socks4://user:password@proxy.test",
    "socks4://us%00er@proxy.test",
    "http://us%3aer:password@proxy.test",
    "http://user:pass%0dword@proxy.test",
  ])("is not '%s'", (text) => {
    expect(refused(text).exitCode).toBe(2);
  });
});

describe("PORTCAT_PROXY_AUTH", () => {
  const proxy = parseProxy("http://proxy.test:1");

  test("is a user, and a password that may have colons", () =>
    fc.assert(
      fc.property(user, secret, (user, password) => {
        expect(withCredentials(proxy, `${user}:${password}`).credentials).toEqual({
          user,
          password,
        });
      }),
    ));

  test("does not count where it is empty, or the URL has credentials", () => {
    expect(withCredentials(proxy, undefined)).toEqual(proxy);
    expect(withCredentials(proxy, "")).toEqual(proxy);
    const named = parseProxy("http://joe@proxy.test:1");
    expect(withCredentials(named, "a:b")).toEqual(named);
  });
});

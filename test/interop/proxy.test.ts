import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { authority, issue } from "../helpers/certificates.ts";
import { content, fileWith, mebibyte, sha256 } from "../helpers/content.ts";
import { httpServer } from "../helpers/http-servers.ts";
import { hasIPv6, portOf, type Program, start, testWith } from "../helpers/peers.ts";
import { conversations, scriptedProxy } from "../helpers/proxies.ts";
import { freePort } from "../helpers/sockets.ts";
import { temporaryFolder, Tool } from "../helpers/tool.ts";

/** A proxy that runs, and what a client is told of it. */
interface Running {
  readonly url: string;
  readonly flags?: string[];
}

interface RealProxy {
  readonly program: Program;
  readonly protocol: string;
  readonly begin: () => Promise<Running>;
  /** With a user and a password that it does not know. */
  readonly distrusted?: (url: string) => string;
  /** What it says of a port that nobody listens on, and its name of another port that it is to refuse. */
  readonly refused: RegExp;
}

const isRoot = process.getuid?.() === 0;

/** Starts a program with a configuration file of its own, and waits until it listens. */
async function configured(
  program: Program,
  args: (path: string) => string[],
  text: string,
): Promise<number> {
  const folder = temporaryFolder();
  const path = join(folder, "proxy.conf");
  writeFileSync(path, text);
  chmodSync(folder, 0o755);
  return portOf(start(program, args(path), { stdin: "null", cwd: folder }), "tcp");
}

const dante = async () =>
  configured(
    "danted",
    (path) => ["-f", path],
    [
      "logoutput: /dev/null",
      `internal: 127.0.0.1 port = ${String(await freePort())}`,
      "external: lo",
      "clientmethod: none",
      "socksmethod: none",
      ...(isRoot ? ["user.privileged: root", "user.unprivileged: nobody"] : []),
      "client pass { from: 0/0 to: 0/0 }",
      "socks block { from: 0/0 to: 0/0 port = 9 }",
      "socks pass { from: 0/0 to: 0/0 }",
    ].join("\n"),
  );

const microsocks = () =>
  portOf(start("microsocks", ["-i", "127.0.0.1", "-p", "0", "-u", "joe", "-P", "s3cret"]), "tcp");

const tinyproxy = async () =>
  configured(
    "tinyproxy",
    (path) => ["-d", "-c", path],
    [
      `Port ${String(await freePort())}`,
      "Listen 127.0.0.1",
      "Timeout 60",
      "MaxClients 20",
      "BasicAuth joe s3cret",
    ].join("\n"),
  );

/** Squid becomes another user where it is root's, who has to be able to read what it is given. */
const squid = async (secure: string) =>
  configured(
    "squid",
    (path) => ["-N", "-f", path],
    [
      `${secure === "" ? "http_port" : "https_port"} 127.0.0.1:${String(await freePort())} ${secure}`,
      "acl denied port 9",
      "http_access deny denied",
      "http_access allow all",
      "pid_filename none",
      "access_log none",
      "cache_log stdio:/dev/null",
      "cache deny all",
      "visible_hostname proxy.test",
      "pinger_enable off",
      "shutdown_lifetime 0 seconds",
    ].join("\n"),
  );

const proxies: RealProxy[] = [
  {
    program: "danted",
    protocol: "socks4",
    begin: async () => ({ url: `socks4://127.0.0.1:${String(await dante())}` }),
    refused: /request rejected or failed \(EPROXYTARGET\)$/,
  },
  {
    program: "danted",
    protocol: "socks5",
    begin: async () => ({ url: `socks5://127.0.0.1:${String(await dante())}` }),
    refused: /connection refused \(EPROXYTARGET\)$/,
  },
  {
    program: "microsocks",
    protocol: "socks5",
    begin: async () => ({ url: `socks5://joe:s3cret@127.0.0.1:${String(await microsocks())}` }),
    distrusted: (url) => url.replace("s3cret", "wrong"),
    refused: /connection refused \(EPROXYTARGET\)$/,
  },
  {
    program: "tinyproxy",
    protocol: "http",
    begin: async () => ({ url: `http://joe:s3cret@127.0.0.1:${String(await tinyproxy())}` }),
    distrusted: (url) => url.replace("s3cret", "wrong"),
    refused: /it answers 500 Unable to connect \(EPROXYTARGET\)$/,
  },
  {
    program: "squid",
    protocol: "http",
    begin: async () => ({ url: `http://127.0.0.1:${String(await squid(""))}` }),
    refused: /it answers 503 Service Unavailable \(EPROXYTARGET\)$/,
  },
  {
    program: "squid",
    protocol: "https",
    begin: async () => {
      const { cert, key, certFile } = await issue();
      const folder = temporaryFolder();
      chmodSync(folder, 0o755);
      const [certPath, keyPath] = [join(folder, "cert.pem"), join(folder, "key.pem")];
      writeFileSync(certPath, cert);
      writeFileSync(keyPath, key);
      const port = await squid(`tls-cert=${certPath} tls-key=${keyPath}`);
      return { url: `https://127.0.0.1:${String(port)}`, flags: ["--proxy-ca", certFile] };
    },
    refused: /it answers 503 Service Unavailable \(EPROXYTARGET\)$/,
  },
];

const { bytes, hash } = content(8 * mebibyte);

describe.each(proxies)(
  "$program as a $protocol proxy",
  ({ program, begin, distrusted, refused }) => {
    const through = ({ url, flags = [] }: Running, ...target: string[]) => [
      ...["tcp", "connect", "--proxy", url, ...flags, ...target],
    ];

    /** One way at a time: most of them end both ways at the first end. */
    testWith([program], "carries every byte, either way, with TLS above it too", async () => {
      const proxy = await begin();
      const ways = [false, true].flatMap((secure) => [
        { secure, up: true },
        { secure, up: false },
      ]);
      for (const { secure, up } of ways) {
        const file = { stdin: fileWith(bytes) };
        const listening = ["tcp", "listen", "127.0.0.1", "0", ...(secure ? ["--tls"] : [])];
        const listener = up ? new Tool([...listening, "--no-stdin"]) : new Tool(listening, file);
        const { tls } = await listener.event("listening");
        const target = ["127.0.0.1", String(await listener.port())];
        const connecting = through(proxy, ...target, ...(tls ? ["--tls", "--pin", tls.pin] : []));
        const client = up ? new Tool(connecting, file) : new Tool([...connecting, "--no-stdin"]);
        const [here, there] = await Promise.all([client.ended, listener.ended]);
        expect(here.code).toBe(0);
        // A proxy that closes with something of the listener's unread, if only the end of its TLS,
        // resets it.
        expect([0, 8]).toContain(there.code);
        expect(sha256(up ? there.stdout : here.stdout)).toBe(hash);
        const { length } = bytes;
        const counted = up ? { received: 0, sent: length } : { received: length, sent: 0 };
        expect(client.all("closed")).toMatchObject([counted]);
      }
    });

    testWith([program], "takes http request to a server, and its answer back", async () => {
      const { url, flags = [] } = await begin();
      const { origin, asked } = await httpServer((_, response) => response.end(bytes));
      const body = join(temporaryFolder(), "body");
      writeFileSync(body, bytes);
      const args = ["http", "request", origin, "--data", `@${body}`, "--proxy", url, ...flags];
      const tool = new Tool(args, { stdin: "null" });
      const { code, stdout } = await tool.ended;
      expect([code, sha256(stdout)]).toEqual([0, hash]);
      expect(asked.map(({ method, body }) => [method, sha256(body)])).toEqual([["POST", hash]]);
    });

    testWith([program], "tells why it does not connect", async () => {
      const proxy = await begin();
      const closed = new Tool(through(proxy, "127.0.0.1", String(await freePort())), {
        stdin: "null",
      });
      expect((await closed.ended).code).toBe(10);
      expect(closed.all("error")[0]?.message).toMatch(refused);
      if (distrusted === undefined) {
        const denied = new Tool(through(proxy, "127.0.0.1", "9"), { stdin: "null" });
        expect((await denied.ended).code).toBe(10);
        // SOCKS4 has no other word for it.
        const code = proxy.url.startsWith("socks4") ? "EPROXYTARGET" : "EPROXYDENIED";
        expect(denied.all("error")).toMatchObject([{ code }]);
        return;
      }
      for (const url of [distrusted(proxy.url), proxy.url.replace("joe:s3cret@", "")]) {
        const tool = new Tool(through({ url }, "127.0.0.1", "9"), { stdin: "null" });
        expect((await tool.ended).code).toBe(10);
        expect(tool.all("error")).toMatchObject([{ code: "EPROXYAUTH" }]);
      }
    });
  },
);

describe.skipIf(!hasIPv6)("to an IPv6 address", () => {
  const named = proxies.filter(({ program }) =>
    ["microsocks", "tinyproxy", "squid"].includes(program),
  );
  test("there are proxies that take one", () => expect(named.length).toBeGreaterThan(2));
  for (const { program, protocol, begin } of named)
    testWith([program], `${program} connects (${protocol})`, async () => {
      const { url, flags = [] } = await begin();
      const listener = new Tool(["tcp", "listen", "::1", "0", "--no-stdin"]);
      const target = ["::1", String(await listener.port())];
      const client = new Tool(["tcp", "connect", "--proxy", url, ...flags, ...target]);
      client.stdin.end("six");
      expect((await client.ended).code).toBe(0);
      expect((await listener.ended).stdout.toString()).toBe("six");
    });
});

testWith(["curl"], "curl asks a socks4a proxy for a name in the same bytes as we do", async () => {
  const proxy = await scriptedProxy("socks4a", (socket) =>
    socket.end(Buffer.concat([conversations.socks4a.yes, Buffer.from("HTTP/1.0 200 OK\r\n\r\n")])),
  );
  const place = `127.0.0.1:${String(proxy.port)}`;
  const url = "http://db.test:81/";
  const curl = start("curl", ["-sS", "--noproxy", "", "--proxy", `socks4a://${place}`, url]);
  expect((await curl.ended).code).toBe(0);
  const asked = proxy.asked();
  const tool = new Tool(["tcp", "connect", "--proxy", `socks4a://${place}`, "db.test", "81"], {
    stdin: "null",
  });
  expect((await tool.ended).code).toBe(0);
  expect(proxy.asked()).toEqual(asked);
});

testWith(["squid", "openssl"], "a name behind a proxy is verified by TLS", async () => {
  const ca = await authority();
  const own = await issue({ by: ca, name: "other.test", names: ["other.test"] });
  const server = start("openssl", [
    ...["s_server", "-accept", "127.0.0.1:0", "-quiet"],
    ...["-cert", own.certFile, "-key", own.keyFile],
  ]);
  const target = ["localhost", String(await portOf(server, "tcp"))];
  const url = `http://127.0.0.1:${String(await squid(""))}`;
  const flags = ["--tls", "--ca", ca.certFile];
  const tool = new Tool(["tcp", "connect", "--proxy", url, ...target, ...flags], { stdin: "null" });
  expect((await tool.ended).code).toBe(9);
  expect(tool.all("error")[0]?.message).toContain("is not for localhost, but for other.test");
});

import { describe, expect, onTestFinished, test } from "vitest";
import { authority, issue } from "../helpers/certificates.ts";
import { content, fileWith, mebibyte, sha256 } from "../helpers/content.ts";
import { conversations, httpProxy, scriptedProxy } from "../helpers/proxies.ts";
import { freePort, startServer } from "../helpers/sockets.ts";
import { portcat, Tool } from "../helpers/tool.ts";

type Protocol = keyof typeof conversations;
const protocols = Object.keys(conversations) as Protocol[];

const proxied = (url: string, ...more: string[]) => ["tcp", "connect", "--proxy", url, ...more];

/** What a connection to 127.0.0.1:80 through a proxy of this kind comes to. */
const through = (protocol: Protocol, port: number, ...more: string[]) =>
  new Tool(proxied(`${protocol}://127.0.0.1:${String(port)}`, "127.0.0.1", "80", ...more), {
    stdin: "null",
  });

describe.each(protocols)("a %s proxy", (protocol) => {
  const { yes } = conversations[protocol];

  test("that sends data and the end right behind its answer loses none of it", async () => {
    const { bytes, hash } = content(mebibyte);
    const { port } = await scriptedProxy(protocol, (socket) =>
      socket.end(Buffer.concat([yes, bytes])),
    );
    const tool = through(protocol, port);
    const { code, stdout } = await tool.ended;
    expect([code, sha256(stdout)]).toEqual([0, hash]);
    expect(tool.all("connected")).toMatchObject([
      { remote: { address: "127.0.0.1", port: 80 }, proxy: { address: "127.0.0.1", port } },
    ]);
    expect(tool.all("closed")).toMatchObject([{ received: mebibyte, sent: 0 }]);
  });

  test("that answers byte by byte, and the first of the data with the last of it", async () => {
    const { port } = await scriptedProxy(protocol, (socket) => {
      const bytes = Buffer.concat([yes, Buffer.from("!")]);
      const tell = (at: number) => {
        if (at >= yes.length - 1) return void socket.write(bytes.subarray(at));
        socket.write(bytes.subarray(at, at + 1), () => setTimeout(tell, 2, at + 1));
      };
      tell(0);
    });
    const tool = through(protocol, port, "--bytes", "1");
    const { code, stdout } = await tool.ended;
    expect([code, stdout.toString()]).toEqual([0, "!"]);
  });

  test("that ends right behind its answer was a connection that ended", async () => {
    const { port } = await scriptedProxy(protocol, (socket) => socket.end(yes));
    const tool = through(protocol, port);
    const { code, stdout } = await tool.ended;
    expect([code, stdout.toString()]).toEqual([0, ""]);
    expect(tool.all("closed")).toMatchObject([{ received: 0, sent: 0, reason: "end" }]);
  });

  test("takes what is sent, counted without what the proxy was told", async () => {
    const { bytes, hash } = content(3 * mebibyte);
    const received: Buffer[] = [];
    const { port } = await scriptedProxy(protocol, (socket) => {
      socket.write(yes);
      socket.on("data", (chunk: Buffer) => received.push(chunk));
      socket.on("end", () => socket.end());
    });
    const tool = new Tool(proxied(`${protocol}://127.0.0.1:${String(port)}`, "127.0.0.1", "80"), {
      stdin: fileWith(bytes),
    });
    expect((await tool.ended).code).toBe(0);
    // The chunk that asked is the proxy's own.
    expect(sha256(Buffer.concat(received))).toBe(hash);
    expect(tool.all("closed")).toMatchObject([{ received: 0, sent: bytes.length }]);
  });

  test.each([
    ["nothing", () => undefined],
    ["half of its answer", (answer: Buffer) => answer.subarray(0, answer.length / 2)],
  ])("that says %s, and then nothing more, is late (exit code 5)", async (_, part) => {
    const { port } = await scriptedProxy(protocol, (socket) => {
      const said = part(yes);
      if (said !== undefined) socket.write(said);
    });
    const tool = through(protocol, port, "--connect-timeout", "300ms");
    expect((await tool.ended).code).toBe(5);
    expect(tool.all("error")).toMatchObject([
      {
        message: `the proxy 127.0.0.1:${String(port)} has not connected to 127.0.0.1:80 within 0.3 s (ETIMEDOUT)`,
        code: "ETIMEDOUT",
      },
    ]);
  });

  test.each([
    ["half of its answer", (answer: Buffer) => answer.subarray(0, answer.length / 2)],
    ["something else", () => "220 mail.example ESMTP\r\n"],
    ["too much of nothing", () => Buffer.alloc(mebibyte, "z")],
    ["nothing", () => ""],
  ])("that says %s and leaves is a failure of the proxy (exit code 10)", async (_, said) => {
    const { port } = await scriptedProxy(protocol, (socket) => socket.end(said(yes)));
    const tool = through(protocol, port);
    const { code, stdout } = await tool.ended;
    expect([code, stdout.toString()]).toEqual([10, ""]);
    expect(tool.all("connected")).toEqual([]);
    const [error] = tool.all("error");
    expect(error).toMatchObject({ code: "EPROXY", address: "127.0.0.1", port });
    expect(error?.message).toMatch(/^the proxy \S+ does not connect to 127.0.0.1:80: it /);
  });

  test("that resets the connection is a failure of the proxy (exit code 10)", async () => {
    const { port } = await scriptedProxy(protocol, (socket) => socket.resetAndDestroy());
    const tool = through(protocol, port);
    expect((await tool.ended).code).toBe(10);
    const [error] = tool.all("error");
    expect(error?.message).toMatch(/: connection reset by the peer \(ECONNRESET\)$/);
  });

  test("that is not there is a failure of the proxy, and is tried again", async () => {
    const { server, port } = await startServer();
    server.close();
    const tool = through(protocol, port, "--retry", "1", "--retry-interval", "0");
    expect((await tool.ended).code).toBe(10);
    expect(tool.all("retry")).toHaveLength(1);
    expect(tool.all("error")).toMatchObject([
      {
        message: `the proxy cannot be reached: cannot connect to 127.0.0.1:${String(port)}: connection refused (ECONNREFUSED)`,
        code: "ECONNREFUSED",
      },
    ]);
  });

  test("that keeps silent holds up no signal", async () => {
    let asked: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (asked = resolve));
    const { port } = await scriptedProxy(protocol, () => asked());
    const tool = through(protocol, port);
    await begun;
    tool.child.kill("SIGTERM");
    expect((await tool.ended).code).toBe(143);
  });
});

const socks5Answer = (code: number) => Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
const socks4Answer = (code: number) => Buffer.from([0, code, 0, 0, 0, 0, 0, 0]);
const httpAnswer = (head: string) => Buffer.from(`HTTP/1.1 ${head}\r\n\r\nwith a body`);

test.each<[Protocol, Buffer, string, string]>([
  ["socks5", socks5Answer(1), "EPROXYTARGET", "general failure"],
  ["socks5", socks5Answer(2), "EPROXYDENIED", "its rules do not allow it"],
  ["socks5", socks5Answer(3), "EPROXYTARGET", "network unreachable"],
  ["socks5", socks5Answer(4), "EPROXYTARGET", "host unreachable"],
  ["socks5", socks5Answer(5), "EPROXYTARGET", "connection refused"],
  ["socks5", socks5Answer(6), "EPROXYTARGET", "TTL expired"],
  ["socks5", socks5Answer(7), "EPROXY", "it does not know the command"],
  ["socks5", socks5Answer(8), "EPROXY", "it does not know this kind of address"],
  ["socks5", socks5Answer(99), "EPROXY", "it does not answer as a SOCKS proxy of that version"],
  [
    "socks5",
    Buffer.from([5, 0, 0, 9, 1, 2, 3, 4, 5, 6]),
    "EPROXY",
    "it does not answer as a SOCKS proxy of that version",
  ],
  ["socks4", socks4Answer(91), "EPROXYTARGET", "request rejected or failed"],
  ["socks4", socks4Answer(93), "EPROXYDENIED", "it does not know who asks (ident)"],
  ["http", httpAnswer("403 Filtered"), "EPROXYDENIED", "it answers 403 Filtered"],
  ["http", httpAnswer("502 Bad Gateway"), "EPROXYTARGET", "it answers 502 Bad Gateway"],
  ["http", httpAnswer("418 I'm a teapot"), "EPROXY", "it answers 418 I'm a teapot"],
  ["http", httpAnswer("302 Found\r\nLocation: http://x/"), "EPROXY", "it answers 302 Found"],
  [
    "http",
    httpAnswer('407 Who?\r\nProxy-Authenticate: Basic realm="x"'),
    "EPROXYAUTH",
    "it wants a user and a password (407 Who?)",
  ],
  [
    "http",
    httpAnswer("407 Who?\r\nProxy-Authenticate: Negotiate"),
    "EPROXYAUTH",
    "it wants credentials in a way that is not Basic: Negotiate (407 Who?)",
  ],
])("a %s proxy's own reason is in the error: %j is %s", async (protocol, said, code, why) => {
  const { port } = await scriptedProxy(protocol, (socket) => socket.end(said));
  const tool = through(protocol, port);
  expect((await tool.ended).code).toBe(10);
  expect(tool.all("error")).toMatchObject([
    {
      message: `the proxy 127.0.0.1:${String(port)} does not connect to 127.0.0.1:80: ${why} (${code})`,
      code,
      exitCode: 10,
    },
  ]);
});

test.each([
  ["LF alone behind its lines", "HTTP/1.0 200 OK\nVia: test\n\n"],
  ["a body's length, which means nothing", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"],
  [
    "lengths that differ",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
  ],
])("an http proxy's answer may have %s", async (_, head) => {
  const { port } = await scriptedProxy("http", (socket) => socket.end(`${head}payload`));
  const { code, stdout } = await through("http", port).ended;
  expect([code, stdout.toString()]).toEqual([0, "payload"]);
});

test.each<[string, Protocol, Buffer | string, string]>([
  [
    "its answer has too long a head",
    "http",
    `HTTP/1.1 200 OK\r\nX: ${"x".repeat(65_000)}`,
    "EPROXY",
  ],
  [
    "it shows the credentials",
    "http",
    "HTTP/1.1 403 not am9lOnMzY3JldA== s3cret\r\n\r\n",
    "EPROXYDENIED",
  ],
  ["its reason is long", "http", `HTTP/1.1 403 ${"é".repeat(5000)}\r\n\r\n`, "EPROXYDENIED"],
])("what a proxy says is told in bounds, where %s", async (_, protocol, said, expected) => {
  const { port } = await scriptedProxy(protocol, (socket) => socket.end(said));
  const url = `${protocol}://joe:s3cret@127.0.0.1:${String(port)}`;
  const tool = new Tool(proxied(url, "127.0.0.1", "80"), { stdin: "null" });
  expect((await tool.ended).code).toBe(10);
  const [error] = tool.all("error");
  expect(error?.code).toBe(expected);
  expect(error?.message).not.toMatch(/s3cret|am9l|Ã|HPE_/);
  expect(error?.message.length).toBeLessThan(350);
});

describe("a socks5 proxy that wants a user", () => {
  /** Says what it is to say to each thing that it is told. */
  const speaking = async (...said: Buffer[]) => {
    const { server, port, client } = await startServer();
    void client().then(({ socket }) => {
      socket.on("data", () => {
        const next = said.shift();
        if (next === undefined) socket.end();
        else socket.write(next);
      });
    });
    onTestFinished(() => void server.close());
    return port;
  };

  test("is not told an empty one where none was given", async () => {
    const port = await speaking(Buffer.from([5, 2]));
    const tool = through("socks5", port);
    expect((await tool.ended).code).toBe(10);
    const [error] = tool.all("error");
    expect(error).toMatchObject({ code: "EPROXYAUTH" });
    expect(error?.message).toContain("it wants a user and a password");
  });

  test("and leaves at the one it is told has refused it", async () => {
    const port = await speaking(Buffer.from([5, 2]));
    const url = `socks5://joe:s3cret@127.0.0.1:${String(port)}`;
    const tool = new Tool(proxied(url, "127.0.0.1", "80"), { stdin: "null" });
    expect((await tool.ended).code).toBe(10);
    expect(tool.all("error")).toMatchObject([{ code: "EPROXYAUTH" }]);
  });
});

test("an answer that does not come back after our end is worth a warning", async () => {
  const { port } = await scriptedProxy("http", (socket) => {
    socket.write(conversations.http.yes);
    socket.on("end", () => socket.end());
    socket.resume();
  });
  const url = `http://127.0.0.1:${String(port)}`;
  const warned = async (...flags: string[]) => {
    const tool = new Tool(proxied(url, "127.0.0.1", "80", ...flags));
    tool.stdin.end("question");
    expect((await tool.ended).code).toBe(0);
    return tool.all("warning").map(({ message }) => message);
  };
  expect(await warned()).toEqual([expect.stringMatching(/^nothing came back: .*--no-half-close/)]);
  expect(await warned("--send-only")).toEqual([]);
});

test("what a proxy could not reach yet is tried again", async () => {
  let times = 0;
  const { port } = await scriptedProxy("socks5", (socket) =>
    socket.end(times++ === 0 ? socks5Answer(5) : conversations.socks5.yes),
  );
  const tool = through("socks5", port, "--retry", "1", "--retry-interval", "0");
  expect((await tool.ended).code).toBe(0);
  expect(tool.all("retry")).toHaveLength(1);
});

describe("a proxy is asked", () => {
  test.each<[Protocol, string, string | Buffer]>([
    ["socks4", "127.0.0.9", Buffer.from([4, 1, 0, 80, 127, 0, 0, 9, 0])],
    ["socks4a", "db.test", Buffer.from("\x04\x01\x00\x50\x00\x00\x00\x01\x00db.test\x00")],
    ["socks5", "db.test", Buffer.from("\x05\x01\x00\x03\x07db.test\x00\x50")],
    ["socks5", "bücher.test", Buffer.from("\x05\x01\x00\x03\x12xn--bcher-kva.test\x00\x50")],
    ["socks5", "127.0.0.9", Buffer.from([5, 1, 0, 1, 127, 0, 0, 9, 0, 80])],
    [
      "socks5",
      "fe80::1:2",
      Buffer.from([5, 1, 0, 4, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 80]),
    ],
    ["http", "db.test", "CONNECT db.test:80 HTTP/1.1\r\nHost: db.test:80\r\n\r\n"],
    ["http", "::1", "CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"],
  ])("by %s for %s as it was typed, and resolves a name itself", async (protocol, host, bytes) => {
    const proxy = await scriptedProxy(protocol, (socket) =>
      socket.end(conversations[protocol].yes),
    );
    const tool = new Tool(
      proxied(`${protocol}://127.0.0.1:${String(proxy.port)}`, host, "80", "-v"),
      { stdin: "null" },
    );
    expect((await tool.ended).code).toBe(0);
    expect(proxy.asked()).toEqual(Buffer.from(bytes));
    expect(tool.all("resolved")).toEqual([]);
  });

  test("by socks4 for the IPv4 address of a name", async () => {
    const proxy = await scriptedProxy("socks4", (socket) => socket.end(conversations.socks4.yes));
    const url = `socks4://someone@127.0.0.1:${String(proxy.port)}`;
    const tool = new Tool(proxied(url, "localhost", "80", "-v"), { stdin: "null" });
    expect((await tool.ended).code).toBe(0);
    const asked = Buffer.concat([
      Buffer.from([4, 1, 0, 80, 127, 0, 0, 1]),
      Buffer.from("someone\0"),
    ]);
    expect(proxy.asked()).toEqual(asked);
    expect(tool.all("resolved")).toMatchObject([{ name: "localhost" }]);
  });

  test.each([
    ["in its URL", "jo%c3%a9:s%40cret@", {}, "joé"],
    ["in PORTCAT_PROXY_AUTH", "", { PORTCAT_PROXY_AUTH: "joe:s@cret" }, "joe"],
    ["in its URL before the others", "joe:s%40cret@", { PORTCAT_PROXY_AUTH: "a:b" }, "joe"],
  ])("with the credentials %s", async (_, inUrl, env, user) => {
    const proxy = await scriptedProxy("http", (socket) => socket.end(conversations.http.yes));
    const url = `http://${inUrl}127.0.0.1:${String(proxy.port)}`;
    const tool = new Tool(proxied(url, "db.test", "80", "-v"), { stdin: "null", env });
    expect((await tool.ended).code).toBe(0);
    const credentials = Buffer.from(`${user}:s@cret`).toString("base64");
    expect(proxy.asked().toString()).toContain(`\r\nProxy-Authorization: Basic ${credentials}\r\n`);
  });
});

describe("credentials", () => {
  const secret = "s3cret";

  test.each([
    ["a proxy that refuses them", "http://joe:s3cret@127.0.0.1:{port}", {}],
    [
      "a proxy that refuses those of the environment",
      "http://127.0.0.1:{port}",
      { PORTCAT_PROXY_AUTH: `joe:${secret}` },
    ],
    ["a proxy that is not there", "socks5://joe:s3cret@127.0.0.1:{closed}", {}],
    ["a proxy without TLS", "https://joe:s3cret@127.0.0.1:{port}", {}],
    ["a URL of another kind", "ftp://joe:s3cret@127.0.0.1:1", {}],
    ["a URL without a scheme", "joe:s3cret@127.0.0.1:1", {}],
    ["a URL with a port that is none", "http://joe:s3cret@127.0.0.1:99999", {}],
    ["a URL with more behind it", "http://joe:s3cret@127.0.0.1:1/path", {}],
    ["a URL with a host that is none", "socks5://joe:s3cret@a%20b:1", {}],
    ["SOCKS4, which has none", "socks4://joe:s3cret@127.0.0.1:1", {}],
    [
      "SOCKS4, and the environment",
      "socks4://127.0.0.1:1",
      { PORTCAT_PROXY_AUTH: `joe:${secret}` },
    ],
    ["a control character", "http://joe:s3cret%0a@127.0.0.1:1", {}],
    ["a tab", "http://joe:s3cret\t@127.0.0.1:1", {}],
  ])("are told nobody, with %s", async (_, url, env) => {
    const proxy = await scriptedProxy("http", (socket) =>
      socket.end("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n"),
    );
    const filled = url
      .replace("{port}", String(proxy.port))
      .replace("{closed}", String(await freePort()));
    const { code, stderr } = await portcat(
      proxied(filled, "127.0.0.1", "80", "-v", "-w", "300ms"),
      {
        stdin: "null",
        env,
      },
    ).ended;
    expect([2, 5, 10]).toContain(code);
    expect(stderr).not.toContain(secret);
    expect(stderr).not.toContain(Buffer.from(`joe:${secret}`).toString("base64"));
  });
});

test.each(["--prox", "--Proxy"])(
  "an option that is unknown, %s, is told without its value",
  async (flag) => {
    const typed = ["tcp", "connect", "127.0.0.1", "80", `${flag}=http://joe:s3cret@127.0.0.1:1`];
    const { code, stderr } = await portcat(typed).ended;
    expect(code).toBe(2);
    expect(stderr).toContain(`unknown option '${flag}'`);
    expect(stderr).not.toContain("s3cret");
  },
);

test.each([
  ["an option's value", ["tcp", "connect", "a", "80", "--retry", "http://joe:s3cret@p"]],
  ["a place", ["tcp", "connect", "socks5://joe:s3cret@p:80"]],
  ["a place of UDP", ["udp", "send", "http://joe:s3cret@p", "80", "x"]],
])("the password of a URL is not told where it stands for %s", async (_, typed) => {
  const { code, stderr } = await portcat(typed).ended;
  expect(code).toBe(2);
  expect(stderr).not.toContain("s3cret");
});

describe("TLS", () => {
  test("that a target does not speak in time is not the proxy's fault", async () => {
    const { port } = await scriptedProxy("http", (socket) => socket.write(conversations.http.yes));
    const tool = through("http", port, "--tls", "-w", "400ms");
    expect((await tool.ended).code).toBe(5);
    expect(tool.all("error")).toMatchObject([
      { message: "no TLS with 127.0.0.1:80: no handshake within 0.4 s (ETIMEDOUT)" },
    ]);
  });

  test("that an https proxy does not speak in time is", async () => {
    const { port, client } = await startServer();
    void client();
    const tool = new Tool(
      proxied(`https://127.0.0.1:${String(port)}`, "127.0.0.1", "80", "-w", "400ms"),
      {
        stdin: "null",
      },
    );
    expect((await tool.ended).code).toBe(5);
    const [error] = tool.all("error");
    expect(error?.message).toMatch(
      /^the proxy cannot be reached: no TLS with \S+: no handshake within 0.4 s \(ETIMEDOUT\)$/,
    );
  });

  test("through a proxy is with the target, whose name is verified", async () => {
    const ca = await authority();
    const own = await issue({ by: ca });
    const flags = ["--cert", own.certFile, "--key", own.keyFile];
    const listener = new Tool(["tcp", "listen", "127.0.0.1", "0", "--tls", ...flags]);
    const { bytes, hash } = content(mebibyte);
    const target = ["localhost", String(await listener.port()), "--tls", "--ca", ca.certFile];
    const url = `http://127.0.0.1:${String(await httpProxy())}`;
    listener.stdin.end("welcome");
    const client = new Tool(proxied(url, ...target), { stdin: fileWith(bytes) });
    const [sent, got] = await Promise.all([client.ended, listener.ended]);
    expect([sent.code, sent.stdout.toString(), got.code]).toEqual([0, "welcome", 0]);
    expect(sha256(got.stdout)).toBe(hash);
    expect(client.all("connected")).toMatchObject([
      { remote: { address: "localhost" }, tls: { subject: "localhost", authorized: true } },
    ]);
  });

  test("with an https proxy is verified, and speaks of the proxy", async () => {
    const ca = await authority();
    const port = String(await httpProxy(await issue({ by: ca })));
    const { port: target, client } = await startServer();
    const url = `https://127.0.0.1:${port}`;
    const trusting = ["127.0.0.1", String(target), "--proxy-ca", ca.certFile];
    const tool = new Tool(proxied(url, ...trusting));
    const peer = await client();
    tool.stdin.end("through");
    await peer.ended;
    expect(peer.received().toString()).toBe("through");
    peer.socket.end("and back");
    const { code, stdout } = await tool.ended;
    expect([code, stdout.toString()]).toEqual([0, "and back"]);
    expect(tool.all("connected")[0]).not.toHaveProperty("tls");
    expect(tool.all("closed")).toMatchObject([{ received: 8, sent: 7 }]);

    const distrusting = new Tool(proxied(url, "127.0.0.1", String(target)), { stdin: "null" });
    expect((await distrusting.ended).code).toBe(10);
    const [error] = distrusting.all("error");
    expect(error?.message).toMatch(
      /^the proxy cannot be reached: no TLS with 127.0.0.1:\d+: .*; --proxy-ca trusts its issuer/,
    );
  });

  test("through TLS, to a target behind an https proxy", async () => {
    const ca = await authority();
    const port = String(await httpProxy(await issue({ by: ca })));
    const listener = new Tool(["tcp", "listen", "127.0.0.1", "0", "--tls"]);
    const { tls } = await listener.event("listening");
    const { bytes, hash } = content(mebibyte);
    const target = ["127.0.0.1", String(await listener.port()), "--tls", "--pin", tls?.pin ?? ""];
    listener.stdin.end();
    const client = new Tool(
      proxied(`https://127.0.0.1:${port}`, ...target, "--proxy-ca", ca.certFile),
      { stdin: fileWith(bytes) },
    );
    const [sent, got] = await Promise.all([client.ended, listener.ended]);
    expect([sent.code, got.code, sha256(got.stdout)]).toEqual([0, 0, hash]);
  });

  test("with a target that leaves at once fails at once", async () => {
    const { port } = await scriptedProxy("http", (socket) => socket.end(conversations.http.yes));
    const tool = through("http", port, "--tls", "--insecure");
    expect((await tool.ended).code).toBe(9);
  });
});

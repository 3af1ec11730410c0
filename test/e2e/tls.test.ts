import { once } from "node:events";
import { chmodSync } from "node:fs";
import { connect as connectPlain, createServer as createPlainServer, type Socket } from "node:net";
import { join } from "node:path";
import * as tls from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { authority, issue, type Issued } from "../helpers/certificates.ts";
import { content, fileWith, mebibyte, sha256 } from "../helpers/content.ts";
import { startServer } from "../helpers/sockets.ts";
import { portcat, temporaryFolder, Tool } from "../helpers/tool.ts";

/** A TLS server of the test's own that answers "hello" and ends after its client. */
async function tlsServer(options: tls.TlsOptions): Promise<number> {
  const server = tls.createServer({ allowHalfOpen: true, ...options }, (socket) => {
    socket.on("error", () => undefined);
    socket.resume();
    socket.write("hello\n");
    socket.on("end", () => socket.end());
  });
  server.on("tlsClientError", () => undefined);
  onTestFinished(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as { port: number }).port;
}

const connecting = (port: number, ...flags: string[]) => [
  "tcp",
  "connect",
  "127.0.0.1",
  String(port),
  "--tls",
  ...flags,
];

/** The one error of a run that TLS has ended, which has exit code 9 and has received nothing. */
async function refusal(tool: Tool): Promise<string> {
  const { code, stdout } = await tool.ended;
  expect(code).toBe(9);
  expect(stdout).toHaveLength(0);
  expect(tool.all("connected")).toEqual([]);
  const errors = tool.all("error");
  expect(errors).toMatchObject([{ exitCode: 9 }]);
  return errors[0]?.message ?? "";
}

describe.each(["tcp", "unix"] as const)("TLS over %s", (transport) => {
  /** A listener with --tls, and the words that connect to it. */
  async function listening(
    ...flags: string[]
  ): Promise<{ listener: Tool; to: string[]; pin: string }> {
    const path = join(temporaryFolder(), "socket");
    const place = transport === "tcp" ? ["127.0.0.1", "0"] : [path];
    const listener = new Tool([transport, "listen", ...place, "--tls", ...flags]);
    const event = await listener.event("listening");
    const at = event.transport === "unix" ? [path] : ["127.0.0.1", String(event.port)];
    return { listener, to: [transport, "connect", ...at, "--tls"], pin: event.tls?.pin ?? "" };
  }

  test("a listener without a certificate tells a pin, with which a client talks to it and to nobody else", async () => {
    const { listener, to, pin } = await listening("-k");
    expect(pin).toMatch(/^sha256:[0-9a-f]{64}$/);
    const good = new Tool([...to, "--pin", pin]);
    good.stdin.end("question\n");
    expect(await good.ended).toMatchObject({ code: 0 });
    expect(listener.received().toString()).toBe("question\n");
    const [connected] = good.all("connected");
    expect(connected?.tls).toMatchObject({ protocol: "TLSv1.3", subject: "portcat", pin });
    const wrong = `sha256:${"0".repeat(64)}`;
    const message = await refusal(new Tool([...to, "--pin", wrong], { stdin: "null" }));
    expect(message).toContain(`expected ${wrong}, got ${pin}`);
    const untrusted = await refusal(new Tool(to, { stdin: "null" }));
    expect(untrusted).toContain("is signed by itself");
    expect(untrusted).toContain(`--pin ${pin} accepts it alone, if that is the pin that the other`);
    listener.child.kill("SIGTERM");
    expect((await listener.ended).code).toBe(143);
  });

  test("16 MiB go each way at once, and every byte arrives", async () => {
    const [there, back] = [content(16 * mebibyte), content(16 * mebibyte)];
    const { listener, to, pin } = await listening();
    const client = new Tool([...to, "--pin", pin], { stdin: fileWith(there.bytes) });
    listener.stdin.end(back.bytes);
    const [ended, listened] = await Promise.all([client.ended, listener.ended]);
    expect([ended.code, listened.code]).toEqual([0, 0]);
    expect(sha256(ended.stdout)).toBe(back.hash);
    expect(sha256(listened.stdout)).toBe(there.hash);
    for (const tool of [client, listener])
      expect(tool.all("closed")).toMatchObject([
        { sent: 16 * mebibyte, received: 16 * mebibyte, reason: "end" },
      ]);
  });

  test("client certificates are demanded with --client-ca, and verified", async () => {
    const ca = await authority();
    const { bytes } = content(16 * mebibyte);
    const [ours, strangers] = [await issue({ name: "ann", by: ca }), await issue({ name: "eve" })];
    const { listener, to, pin } = await listening("-k", "--client-ca", ca.certFile);
    const show = ({ certFile, keyFile }: Issued) => ["--cert", certFile, "--key", keyFile];
    const good = new Tool([...to, "--pin", pin, ...show(ours)]);
    good.stdin.end("it is ann");
    expect((await good.ended).code).toBe(0);
    const told = await listener.event("closed");
    expect(told).toMatchObject({ received: 9, reason: "end" });
    expect(listener.all("connected")[0]?.tls).toMatchObject({
      subject: "ann",
      issuer: "Test Authority",
      authorized: true,
    });
    for (const [nth, flags] of [show(strangers), []].entries()) {
      // A client of TLS 1.3 has its handshake before the server sees a certificate; it learns of an end.
      const bad = new Tool([...to, "--pin", pin, ...flags], { stdin: fileWith(bytes) });
      expect([8, 9]).toContain((await bad.ended).code);
      const error = await listener.event("error", nth + 1);
      expect(error).toMatchObject({ exitCode: 9 });
    }
    expect(listener.all("connected")).toHaveLength(1);
  });
});

describe("a server's certificate", () => {
  test("is accepted where --ca has issued it for the host, and told", async () => {
    const ca = await authority();
    const server = await issue({ by: ca });
    const port = await tlsServer(server);
    const tool = new Tool(connecting(port, "--ca", ca.certFile), { stdin: "null" });
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("hello\n") });
    expect(tool.all("connected")[0]?.tls).toMatchObject({
      protocol: "TLSv1.3",
      cipher: "TLS_AES_256_GCM_SHA384",
      alpn: null,
      subject: "localhost",
      issuer: "Test Authority",
      pin: server.pin,
      authorized: true,
    });
  });

  const past = new Date("2020-01-02T03:04:05Z");
  const future = new Date("2999-01-01T00:00:00Z");
  test.each([
    ["expired", { from: new Date("2019-01-01"), to: past }, "valid until 2020-01-02T03:04:05Z"],
    ["not valid yet", { from: future, to: new Date("2999-02-01") }, "before 2999-01-01T00:00:00Z"],
    [
      "for another name",
      { names: ["other.test", "b.test"] },
      "is not for 127.0.0.1, but for other.test, b.test",
    ],
  ])(
    "that is %s is refused in words, and taken with --insecure and a warning",
    async (_, wanted, why) => {
      const ca = await authority();
      const port = await tlsServer(await issue({ ...wanted, by: ca }));
      expect(
        await refusal(new Tool(connecting(port, "--ca", ca.certFile), { stdin: "null" })),
      ).toContain(why);
      const tool = new Tool(connecting(port, "--insecure"), { stdin: "null" });
      expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("hello\n") });
      expect(tool.all("warning")[0]?.message).toContain("not verified (--insecure)");
      expect(tool.all("connected")[0]?.tls?.authorized).toBe(false);
    },
  );

  test("of an issuer that nobody knows is refused with its name", async () => {
    const ca = await authority("Nobody Knows Me");
    const server = await issue({ by: ca });
    const port = await tlsServer(server);
    const message = await refusal(new Tool(connecting(port), { stdin: "null" }));
    expect(message).toContain("issued by Nobody Knows Me, which is not known here");
    expect(message).toContain(`--pin ${server.pin} accepts it alone`);
  });

  test("for the name of --servername is accepted, which the server is asked for", async () => {
    const ca = await authority();
    const named = await issue({ name: "named", names: ["named.test"], by: ca });
    const other = await issue({ by: ca });
    let asked = "";
    const port = await tlsServer({
      ...other,
      SNICallback: (name, done) => {
        asked = name;
        done(null, tls.createSecureContext(named));
      },
    });
    const flags = ["--ca", ca.certFile, "--servername", "named.test"];
    expect((await new Tool(connecting(port, ...flags), { stdin: "null" }).ended).code).toBe(0);
    expect(asked).toBe("named.test");
  });
});

describe("a handshake", () => {
  test("with a peer that speaks something else fails in words, code 9", async () => {
    const { port, client } = await startServer();
    const tool = new Tool(connecting(port), { stdin: "null" });
    (await client()).socket.end("220 mail.test ESMTP\r\n");
    expect(await refusal(tool)).toContain("the peer does not speak TLS");
  });

  test("that the peer breaks off fails in words, code 9", async () => {
    const { port, client } = await startServer();
    const tool = new Tool(connecting(port), { stdin: "null" });
    (await client()).socket.destroy();
    expect(await refusal(tool)).toContain("closed the connection during the handshake");
  });

  test.each(["tcp", "unix"])(
    "that the peer never answers over %s is over after --connect-timeout, code 5",
    async (transport) => {
      const path = transport === "unix" ? join(temporaryFolder(), "socket") : undefined;
      const { port } = await startServer(path);
      const place = path ?? `127.0.0.1:${String(port)}`;
      const args = [transport, "connect", place, "--tls", "-w", "300ms"];
      const tool = new Tool(args, { stdin: "null" });
      expect((await tool.ended).code).toBe(5);
      const message = `no TLS with ${place}: no handshake within 0.3 s (ETIMEDOUT)`;
      const where = path === undefined ? { address: "127.0.0.1", port } : { address: path };
      expect(tool.all("error")).toMatchObject([{ code: "ETIMEDOUT", message, ...where }]);
    },
  );

  test("of two that share no version or no ALPN fails in words, code 9", async () => {
    const server = await issue();
    const old = await tlsServer({ ...server, maxVersion: "TLSv1.2" });
    const flags = ["--pin", server.pin];
    expect(
      await refusal(new Tool(connecting(old, ...flags, "--tls-min", "1.3"), { stdin: "null" })),
    ).toContain("no version of TLS that both sides speak");
    const h2 = await tlsServer({ ...server, ALPNProtocols: ["h2"] });
    expect(
      await refusal(new Tool(connecting(h2, ...flags, "--alpn", "imap"), { stdin: "null" })),
    ).toContain("no application protocol (ALPN)");
    const tool = new Tool(connecting(h2, ...flags, "--alpn", "imap,h2"), { stdin: "null" });
    expect((await tool.ended).code).toBe(0);
    expect(tool.all("connected")[0]?.tls?.alpn).toBe("h2");
  });

  test("that a client of a listener does not begin holds up nobody under -k, and is over in time", async () => {
    const listener = new Tool(["tcp", "listen", "127.0.0.1", "0", "-k", "--tls", "-w", "5s"]);
    const { tls: told } = await listener.event("listening");
    const port = await listener.port();
    const silent = connectPlain(port, "127.0.0.1");
    onTestFinished(() => void silent.destroy());
    const closed = once(silent, "close");
    await once(silent, "connect");
    const { bytes, hash } = content(4 * mebibyte);
    const client = new Tool(connecting(port, "--pin", told?.pin ?? "", "--bytes", "4MiB"));
    await listener.event("connected");
    listener.stdin.end(bytes);
    expect(sha256((await client.ended).stdout)).toBe(hash);
    expect(listener.all("error")).toEqual([]);
    const error = await listener.event("error");
    expect(error).toMatchObject({ code: "ETIMEDOUT", exitCode: 5, id: 1 });
    await closed;
  });

  test.each([
    ["without a word", (socket: Socket) => void socket.end()],
    ["with something else than TLS", (socket: Socket) => void socket.end("hi\n")],
    ["with a reset", (socket: Socket) => void socket.resetAndDestroy()],
  ])("that a client of a listener leaves %s is over at once, code 9", async (_, leave) => {
    const listener = new Tool(["tcp", "listen", "127.0.0.1", "0", "--tls", "-w", "1h"]);
    const client = connectPlain(await listener.port(), "127.0.0.1");
    client.on("error", () => undefined);
    await once(client, "connect");
    leave(client);
    expect(await refusal(listener)).toMatch(/during the handshake|does not speak TLS/);
  });

  test("of a client that does not take our certificate is over at once, code 9", async () => {
    const listener = new Tool(["tcp", "listen", "127.0.0.1", "0", "--tls", "-w", "1h"]);
    const port = await listener.port();
    const client = new Tool(connecting(port, "--pin", `sha256:${"0".repeat(64)}`));
    await refusal(client);
    expect((await listener.ended).code).not.toBe(5);
  });

  test("of a client that is no TLS client is an error of its own, and the listener lives on", async () => {
    const listener = new Tool(["tcp", "listen", "127.0.0.1", "0", "-k", "--tls"]);
    const port = await listener.port();
    const plain = connectPlain(port, "127.0.0.1");
    plain.on("error", () => undefined);
    plain.end("GET / HTTP/1.0\r\n\r\n");
    expect(await listener.event("error")).toMatchObject({ exitCode: 9, id: 1 });
    expect(listener.all("error")[0]?.message).toContain("the peer does not speak TLS");
    const { tls: told } = listener.all("listening")[0] ?? {};
    const client = new Tool(connecting(port, "--pin", told?.pin ?? ""));
    client.stdin.end("hello");
    expect((await client.ended).code).toBe(0);
  });
});

test.each([
  ["listen", "which is silent", false],
  ["connect", "which is silent", false],
  ["listen", "which has sent its own", true],
  ["connect", "which has sent its own", true],
] as const)(
  "bytes that were changed on the way end tcp %s, %s, at once with code 9, and none of them arrives",
  async (role, _, answers) => {
    const server = await issue();
    const size = 4 * mebibyte;
    const sender = fileWith(Buffer.alloc(size, "x"));
    const answer = () => (answers ? fileWith("answer") : "pipe");
    const own = ["--tls", "--cert", server.certFile, "--key", server.keyFile];
    const listener = new Tool(["tcp", "listen", "127.0.0.1", "0", ...own], {
      stdin: role === "connect" ? sender : answer(),
    });
    const to = await listener.port();
    // Passes everything on, but for one bit of what the sender says; it ends nothing.
    const proxy = createPlainServer({ allowHalfOpen: true }, (near) => {
      const far = connectPlain({ port: to, host: "127.0.0.1", allowHalfOpen: true });
      const [from, on] = role === "listen" ? [near, far] : [far, near];
      let count = 0;
      from.on("data", (chunk: Buffer) => {
        count += chunk.length;
        if (count > mebibyte && count - chunk.length <= mebibyte)
          chunk[chunk.length - 1] = (chunk.at(-1) ?? 0) ^ 1;
        on.write(chunk);
      });
      on.pipe(from, { end: false });
      for (const socket of [near, far]) {
        socket.on("error", () => undefined);
        onTestFinished(() => void socket.destroy());
      }
    });
    onTestFinished(() => void proxy.close());
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const { port } = proxy.address() as { port: number };
    const client = new Tool(connecting(port, "--pin", server.pin), {
      stdin: role === "listen" ? sender : answer(),
    });
    const receiver = role === "listen" ? listener : client;
    const { code, stdout } = await receiver.ended;
    expect(code).toBe(9);
    const message = receiver.all("error")[0]?.message;
    expect(message).toContain("cannot receive from");
    expect(message).toContain("a record arrived broken, or was changed on the way");
    expect(stdout.length).toBeLessThan(size);
    expect(stdout.equals(Buffer.alloc(stdout.length, "x"))).toBe(true);
    // It is told so, but for a reset that comes first; nothing can be told behind the receiver's own end.
    const other = receiver === client ? listener : client;
    expect(answers ? [0, 8, 9] : [8, 9]).toContain((await other.ended).code);
  },
);

describe("before anything is opened, code 2 says what is wrong with", () => {
  test.each([
    ["an option of TLS without --tls", ["--pin", `sha256:${"0".repeat(64)}`], /--pin needs --tls/],
    ["a pin", ["--tls", "--pin", "sha256:12"], /64 hex digits/],
    ["a version", ["--tls", "--tls-min", "1.1"], /expected 1\.2 or 1\.3/],
    ["a key without its certificate", ["--tls", "--key", "x.pem"], /--key needs --cert/],
    ["a file that is not there", ["--tls", "--ca", "/nonexistent.pem"], /no such file/],
    ["a file that is no PEM", ["--tls", "--cert", import.meta.filename], /expected PEM/],
    ["cipher suites", ["--tls", "--insecure", "--ciphers", "NONE-SUCH"], /no such cipher suite/],
    [
      "a pin and an authority",
      ["--tls", "--pin", `sha256:${"0".repeat(64)}`, "--ca", "x"],
      /cannot be used with/,
    ],
  ])("%s", async (_, flags, why) => {
    const tool = portcat(["tcp", "connect", "127.0.0.1", "9", ...flags], { stdin: "null" });
    const { code, stderr } = await tool.ended;
    expect(stderr).toMatch(why);
    expect(code).toBe(2);
  });

  test("a key of another certificate", async () => {
    const [one, other] = [await issue(), await issue()];
    const flags = ["--cert", one.certFile, "--key", other.keyFile];
    const { code, stderr } = await portcat(["tcp", "listen", "127.0.0.1", "0", "--tls", ...flags])
      .ended;
    expect(stderr).toContain(
      `--key ${other.keyFile} is not the private key of the first certificate`,
    );
    expect(code).toBe(2);
  });
});

test("a private key that everybody may read is warned of, and appears nowhere", async () => {
  const server = await issue();
  chmodSync(server.keyFile, 0o644);
  const flags = ["--cert", server.certFile, "--key", server.keyFile, "-v"];
  const listener = new Tool(["tcp", "listen", "127.0.0.1", "0", "--tls", ...flags]);
  await listener.port();
  expect(listener.all("warning")[0]?.message).toContain(`${server.keyFile}: every user`);
  listener.child.kill("SIGTERM");
  const { stderr } = await listener.ended;
  for (const line of server.key.split("\n").slice(1, -2)) expect(stderr).not.toContain(line);
});

import { once } from "node:events";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { authority, issue, type Issued } from "../helpers/certificates.ts";
import {
  content,
  descriptorOf,
  fileWith,
  hashOfFile,
  largeFile,
  mebibyte,
  sha256,
} from "../helpers/content.ts";
import { portOf, type Program, start, testWith } from "../helpers/peers.ts";
import { type Running, type StartOptions, temporaryFolder, Tool } from "../helpers/tool.ts";

/** A real program as the far end of TLS. The authority is to be trusted, the certificate to be shown. */
interface TlsPeer {
  readonly program: Program;
  readonly version: "TLSv1.2" | "TLSv1.3";
  /** Its arguments as a server and as a client; it shows its certificate if it is given one. */
  readonly listen: (server: Issued) => string[];
  readonly connect: (port: number, ca: Issued, own?: Issued) => string[];
}

const opensslVersion = { "TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3" };
const socatVersion = { "TLSv1.2": "TLS1.2", "TLSv1.3": "TLS1.3" };

function openssl(version: TlsPeer["version"]): TlsPeer {
  return {
    program: "openssl",
    version,
    listen: ({ certFile, keyFile }) => [
      ...["s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-quiet"],
      ...["-cert", certFile, "-key", keyFile, opensslVersion[version]],
    ],
    connect: (port, { certFile }, own) => [
      ...["s_client", "-connect", `127.0.0.1:${String(port)}`, "-quiet", "-no_ign_eof"],
      ...["-CAfile", certFile, "-verify_return_error", opensslVersion[version]],
      ...(own ? ["-cert", own.certFile, "-key", own.keyFile] : []),
    ],
  };
}

const ncat: TlsPeer = {
  program: "ncat",
  version: "TLSv1.3",
  listen: ({ certFile, keyFile }) => [
    ...["-l", "127.0.0.1", "0", "--ssl", "--ssl-cert", certFile, "--ssl-key", keyFile],
  ],
  connect: (port, { certFile }, own) => [
    ...["--ssl-verify", "--ssl-trustfile", certFile, "--ssl-servername", "localhost"],
    ...(own ? ["--ssl-cert", own.certFile, "--ssl-key", own.keyFile] : []),
    ...["127.0.0.1", String(port)],
  ],
};

function socat(version: TlsPeer["version"]): TlsPeer {
  const only = `openssl-min-proto-version=${socatVersion[version]},openssl-max-proto-version=${socatVersion[version]}`;
  return {
    program: "socat",
    version,
    listen: ({ certFile, keyFile }) => [
      ...["-t", "30", "-"],
      `OPENSSL-LISTEN:0,bind=127.0.0.1,cert=${certFile},key=${keyFile},verify=0,${only}`,
    ],
    connect: (port, { certFile }, own) => [
      ...["-t", "30", "-"],
      `OPENSSL:127.0.0.1:${String(port)},cafile=${certFile},commonname=localhost,${only}${
        own ? `,cert=${own.certFile},key=${own.keyFile}` : ""
      }`,
    ],
  };
}

const peers = [openssl("TLSv1.2"), openssl("TLSv1.3"), ncat, socat("TLSv1.2"), socat("TLSv1.3")];

const { bytes, hash } = content(32 * mebibyte);

testWith(
  ["openssl"],
  "openssl asks a listener of ours for a name and a protocol, and gets them",
  async () => {
    const ca = await authority();
    const own = await issue({ by: ca });
    const flags = ["--cert", own.certFile, "--key", own.keyFile, "--alpn", "h2,imap"];
    const listener = new Tool(["tcp", "listen", "127.0.0.1", "0", "--tls", ...flags]);
    const args = openssl("TLSv1.3").connect(await listener.port(), ca);
    const client = start("openssl", [...args, "-servername", "localhost", "-alpn", "imap"]);
    expect((await listener.event("connected")).tls).toMatchObject({ alpn: "imap", subject: null });
    client.stdin.end();
    listener.stdin.end();
    expect((await listener.ended).code).toBe(0);
  },
);

testWith(
  ["openssl"],
  "openssl is asked by a client of ours for a name, and for a protocol",
  async () => {
    const ca = await authority();
    const [named, other] = [
      await issue({ names: ["named.test"], by: ca }),
      await issue({ by: ca }),
    ];
    const connected = async (server: string[], ...flags: string[]) => {
      const running = start("openssl", [...openssl("TLSv1.3").listen(other), ...server]);
      const place = ["127.0.0.1", String(await portOf(running, "tcp"))];
      const args = [...place, "--tls", "--ca", ca.certFile, ...flags, "--send-only"];
      const client = new Tool(["tcp", "connect", ...args], { stdin: "null" });
      expect((await client.ended).code).toBe(0);
      return client.all("connected")[0]?.tls;
    };
    const names = ["-servername", "named.test", "-cert2", named.certFile, "-key2", named.keyFile];
    expect(await connected(names, "--servername", "named.test")).toMatchObject({ pin: named.pin });
    expect(await connected(["-alpn", "imap"], "--alpn", "h2,imap")).toMatchObject({ alpn: "imap" });
  },
);

describe.each(peers)("$program with $version", (peer) => {
  const run = (args: string[], options?: StartOptions): Running =>
    start(peer.program, args, options);

  testWith(
    [peer.program],
    "as a server gets every byte of a file from a client of ours",
    async () => {
      const ca = await authority();
      const server = run(peer.listen(await issue({ by: ca })), { stdin: "pipe" });
      const port = String(await portOf(server, "tcp"));
      const args = [
        "tcp",
        "connect",
        "127.0.0.1",
        port,
        "--tls",
        "--ca",
        ca.certFile,
        "--send-only",
      ];
      const client = new Tool(args, { stdin: fileWith(bytes) });
      expect((await client.ended).code).toBe(0);
      expect(client.all("connected")[0]?.tls).toMatchObject({
        protocol: peer.version,
        subject: "localhost",
        issuer: "Test Authority",
        authorized: true,
      });
      server.stdin.end();
      expect(sha256((await server.ended).stdout)).toBe(hash);
    },
  );

  testWith(
    [peer.program],
    "as a client of a listener of ours gets every byte of a file",
    async () => {
      const ca = await authority();
      const own = await issue({ by: ca });
      const flags = ["--cert", own.certFile, "--key", own.keyFile];
      const listener = new Tool(["tcp", "listen", "127.0.0.1", "0", "--tls", ...flags], {
        stdin: fileWith(bytes),
      });
      const client = run(peer.connect(await listener.port(), ca));
      let count = 0;
      client.output.on("data", (chunk: Buffer) => (count += chunk.length));
      await listener.event("connected");
      client.stdin.write("thanks");
      await listener.outputs("thanks");
      while (count < bytes.length) await once(client.output, "data");
      client.stdin.end();
      expect(sha256((await client.ended).stdout)).toBe(hash);
      expect((await listener.ended).code).toBe(0);
      expect(listener.all("connected")[0]?.tls?.protocol).toBe(peer.version);
      expect(listener.all("closed")).toMatchObject([{ sent: bytes.length, received: 6 }]);
    },
  );

  testWith(
    [peer.program],
    "as a client shows its certificate, which --client-ca verifies",
    async () => {
      const ca = await authority();
      const [own, theirs] = [await issue({ by: ca }), await issue({ name: "ann", by: ca })];
      const flags = ["--cert", own.certFile, "--key", own.keyFile, "--client-ca", ca.certFile];
      const listener = new Tool(["tcp", "listen", "127.0.0.1", "0", "--tls", ...flags]);
      const client = run(peer.connect(await listener.port(), ca, theirs));
      client.stdin.write("it is ann\n");
      await listener.outputs("it is ann\n");
      client.stdin.end();
      listener.stdin.end();
      expect((await listener.ended).code).toBe(0);
      expect(listener.all("connected")[0]?.tls).toMatchObject({ subject: "ann", authorized: true });
      await client.ended;
    },
  );
});

/** Large ones take long, and are the same on every Node. */
const isOldest = process.version.startsWith("v20.");
const current = peers.filter(({ version }) => version === "TLSv1.3");

describe.runIf(isOldest).each(current)("256 MiB with $program", (peer) => {
  const { program } = peer;
  testWith([program], "arrive whole there, from a client of ours", async () => {
    const ca = await authority();
    const { path, hash } = largeFile(256 * mebibyte);
    const output = join(temporaryFolder(), "output");
    const server = start(program, peer.listen(await issue({ by: ca })), {
      stdout: descriptorOf(output, "w"),
    });
    const port = String(await portOf(server, "tcp"));
    const args = ["127.0.0.1", port, "--tls", "--ca", ca.certFile, "--send-only"];
    const client = new Tool(["tcp", "connect", ...args], { stdin: descriptorOf(path, "r") });
    expect((await client.ended).code).toBe(0);
    server.stdin.end();
    await server.ended;
    expect(await hashOfFile(output)).toBe(hash);
  });

  testWith([program], "arrive whole here, at a listener of ours", async () => {
    const ca = await authority();
    const { certFile, keyFile } = await issue({ by: ca });
    const { path, hash } = largeFile(256 * mebibyte);
    const output = join(temporaryFolder(), "output");
    const own = ["--tls", "--cert", certFile, "--key", keyFile, "--bytes", "256MiB"];
    const listener = new Tool(["tcp", "listen", "127.0.0.1", "0", ...own], {
      stdout: descriptorOf(output, "w"),
    });
    const stdin = descriptorOf(path, "r");
    // With -no_ign_eof, s_client takes a Q at the start of what it reads as a command to end.
    const connect = peer.connect(await listener.port(), ca).filter((it) => it !== "-no_ign_eof");
    start(program, connect, { stdin });
    expect((await listener.ended).code).toBe(0);
    expect(await hashOfFile(output)).toBe(hash);
  });
});

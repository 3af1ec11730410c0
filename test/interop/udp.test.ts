import { describe, expect } from "vitest";
import { content, fileWith } from "../helpers/content.ts";
import { hasIPv6, portOf, start, testWith } from "../helpers/peers.ts";
import { type Running, Tool } from "../helpers/tool.ts";

const longestDatagram = 65507;

interface UdpPeer {
  readonly program: "nc" | "ncat" | "socat";
  /** Sends stdin, and ends with it. */
  readonly send: (host: string, port: number) => string[];
  /** Talks to and fro. */
  readonly connect: (host: string, port: number) => string[];
  /** Receives on a port of the system's choice, and answers the first sender. */
  readonly listen: (host: string) => string[];
  /** The longest datagram that it makes of stdin, and the longest that it takes without cutting it. */
  readonly longestSent: number;
  readonly longestReceived: number;
}

const inUrl = (host: string) => (host.includes(":") ? `[${host}]` : host);
const inSocat = (host: string) => (host.includes(":") ? "UDP6" : "UDP4");

const peers: readonly UdpPeer[] = [
  {
    program: "nc",
    send: (host, port) => ["-u", "-q", "0", host, String(port)],
    connect: (host, port) => ["-u", host, String(port)],
    listen: (host) => ["-u", "-l", host, "0"],
    longestSent: 16384,
    longestReceived: 16384,
  },
  {
    program: "ncat",
    send: (host, port) => ["-u", "--send-only", host, String(port)],
    connect: (host, port) => ["-u", host, String(port)],
    listen: (host) => ["-u", "-l", host, "0"],
    longestSent: 8192,
    longestReceived: longestDatagram,
  },
  {
    program: "socat",
    send: (host, port) => [
      ...["-u", "-b65507", "-"],
      `${inSocat(host)}-SENDTO:${inUrl(host)}:${String(port)}`,
    ],
    connect: (host, port) => ["-", `${inSocat(host)}:${inUrl(host)}:${String(port)}`],
    listen: (host) => ["-b65507", "-", `${inSocat(host)}-LISTEN:0,bind=${inUrl(host)}`],
    longestSent: longestDatagram,
    longestReceived: longestDatagram,
  },
];

/** Starts a peer that listens, and tells its port once it does. */
async function listening({ program, listen }: UdpPeer, host: string) {
  const other = start(program, listen(host));
  return { other, port: await portOf(other, "udp") };
}

/** Waits until so many bytes have come out of a peer, and gives them. */
function whole(other: Running, length: number): Promise<Buffer> {
  return other.until(() => {
    const received = other.received();
    return received.length >= length && received;
  });
}

const families = [
  { family: "IPv4", host: "127.0.0.1", there: true },
  { family: "IPv6", host: "::1", there: hasIPv6 },
];

for (const { family, host, there } of families)
  describe.skipIf(!there)(`over UDP on ${family}`, () => {
    for (const peer of peers) {
      const { program, longestSent, longestReceived } = peer;

      for (const length of [1, longestSent])
        testWith([program], `${String(length)} bytes of ${program} are one datagram`, async () => {
          const { bytes } = content(length);
          const tool = new Tool(["udp", "bind", "--count", "1", "--no-stdin", host, "0"]);
          const port = await tool.port();
          const other = start(program, peer.send(host, port), { stdin: fileWith(bytes) });
          const ended = await tool.ended;
          expect(ended.code).toBe(0);
          expect(ended.stdout.equals(bytes)).toBe(true);
          expect(tool.all("datagram")).toMatchObject([{ from: { address: host }, bytes: length }]);
          expect(tool.all("closed")).toMatchObject([
            { received: length, sent: 0, datagrams: { received: 1, sent: 0 }, reason: "end" },
          ]);
          expect(await other.ended).toMatchObject({ code: 0, stderr: "" });
        });

      for (const length of [1, longestReceived])
        testWith([program], `${String(length)} bytes arrive whole at ${program}`, async () => {
          const { bytes } = content(length);
          const { other, port } = await listening(peer, host);
          const tool = new Tool(["udp", "send", host, String(port)], { stdin: fileWith(bytes) });
          expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.alloc(0) });
          expect(tool.all("closed")).toMatchObject([
            { received: 0, sent: length, datagrams: { received: 0, sent: 1 }, reason: "end" },
          ]);
          expect((await whole(other, length)).equals(bytes)).toBe(true);
        });

      testWith([program], `udp send gets the reply of ${program}, and ends with it`, async () => {
        const { other, port } = await listening(peer, host);
        const args = ["--wait", "20s", "--replies", "1", host, String(port), "question\n"];
        const tool = new Tool(["udp", "send", ...args]);
        await other.outputs("question\n");
        other.stdin.write("answer\n");
        expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("answer\n") });
        expect(tool.all("datagram")).toMatchObject([{ from: { address: host, port }, bytes: 7 }]);
        expect(other.received().toString()).toBe("question\n");
      });

      testWith([program], `udp bind answers ${program} from stdin`, async () => {
        const tool = new Tool(["udp", "bind", "--count", "2", "--lines", host, "0"]);
        const other = start(program, peer.connect(host, await tool.port()));
        other.stdin.write("question\n");
        await tool.outputs("question\n");
        tool.stdin.write("answer\nmore\n");
        expect((await whole(other, 12)).toString()).toBe("answer\nmore\n");
        other.stdin.write("thanks\n");
        expect(await tool.ended).toMatchObject({
          code: 0,
          stdout: Buffer.from("question\nthanks\n"),
        });
        expect(tool.all("closed")).toMatchObject([
          { received: 16, sent: 12, datagrams: { received: 2, sent: 2 }, reason: "end" },
        ]);
      });

      testWith([program], `--lines sends ${program} a datagram a line`, async () => {
        const { other, port } = await listening(peer, host);
        const tool = new Tool(["udp", "send", "--lines", host, String(port)]);
        tool.stdin.end("one\n\nthree");
        expect((await tool.ended).code).toBe(0);
        expect(tool.all("closed")).toMatchObject([
          { sent: 10, datagrams: { sent: 3 }, reason: "end" },
        ]);
        expect((await whole(other, 10)).toString()).toBe("one\n\nthree");
      });
    }

    testWith(["socat"], "socat counts the datagrams that --lines makes", async () => {
      const address = `${inSocat(host)}-RECV:0,bind=${inUrl(host)}`;
      const other = start("socat", ["-u", "-v", address, "-"]);
      const port = String(await portOf(other, "udp"));
      const tool = new Tool(["udp", "send", "--lines", host, port]);
      tool.stdin.end("one\n\nthree");
      expect((await tool.ended).code).toBe(0);
      await whole(other, 10);
      const lengths = other.stderr.matchAll(/^> .* length=(\d+) /gm);
      expect(Array.from(lengths, (each) => each[1])).toEqual(["4", "1", "5"]);
    });

    testWith(["socat"], "an empty datagram of socat's is one like any other", async () => {
      const tool = new Tool(["udp", "bind", "--count", "3", "--no-stdin", host, "0"]);
      const port = await tool.port();
      const address = `${inSocat(host)}:${inUrl(host)}:${String(port)}`;
      // shut-null: an empty datagram at the end of stdin.
      const first = start("socat", ["-u", "-", `${address},shut-null`]);
      first.stdin.end("before");
      expect((await first.ended).code).toBe(0);
      await tool.event("datagram", 2);
      const second = start("socat", ["-u", "-", address]);
      second.stdin.end("after");
      expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("beforeafter") });
      expect(tool.all("datagram").map(({ bytes }) => bytes)).toEqual([6, 0, 5]);
      expect(tool.all("closed")).toMatchObject([
        { received: 11, datagrams: { received: 3 }, reason: "end" },
      ]);
    });

    const endedByEmpty = [
      { program: "nc", args: ["-u", "-l", host, "0"] },
      {
        program: "socat",
        args: ["-u", `${inSocat(host)}-RECV:0,bind=${inUrl(host)},null-eof`, "-"],
      },
    ] as const;
    for (const { program, args } of endedByEmpty)
      testWith([program], `an empty datagram arrives at ${program}, which ends by it`, async () => {
        const other = start(program, args);
        const port = String(await portOf(other, "udp"));
        const tool = new Tool(["udp", "send", host, port, ""]);
        expect((await tool.ended).code).toBe(0);
        expect(tool.all("closed")).toMatchObject([
          { sent: 0, datagrams: { sent: 1 }, reason: "end" },
        ]);
        expect(await other.ended).toMatchObject({ code: 0, stdout: Buffer.alloc(0), stderr: "" });
      });

    testWith(
      ["nc", "ncat", "socat"],
      "udp bind hears three programs at once, and answers the latest",
      async () => {
        const tool = new Tool(["udp", "bind", "--lines", host, "0"]);
        const port = await tool.port();
        const others: Running[] = [];
        for (const { program, connect } of peers) {
          const other = start(program, connect(host, port));
          others.push(other);
          other.stdin.write(`${program}\n`);
          await tool.outputs(`${program}\n`);
        }
        tool.stdin.write("to socat\n");
        await others[2]?.outputs("to socat\n");
        others[0]?.stdin.write("nc again\n");
        await tool.outputs("nc again\n");
        tool.stdin.write("to nc\n");
        await others[0]?.outputs("to nc\n");
        expect(others.map((other) => other.received().toString())).toEqual([
          "to nc\n",
          "",
          "to socat\n",
        ]);
        tool.child.kill("SIGTERM");
        expect(await tool.ended).toMatchObject({
          code: 143,
          stdout: Buffer.from("nc\nncat\nsocat\nnc again\n"),
        });
        expect(tool.all("closed")).toMatchObject([
          { datagrams: { received: 4, sent: 2 }, reason: "SIGTERM" },
        ]);
      },
    );
  });

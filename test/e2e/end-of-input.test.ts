import { randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  fileInput,
  hasTerminal,
  type Input,
  nullInput,
  pipeInput,
  terminalInput,
  unread,
} from "../helpers/input.ts";
import { eventNames, meet, peerHas, type Way, watchEnd, ways } from "../helpers/meeting.ts";
import { connectPeer, startServer } from "../helpers/sockets.ts";
import { bin, Running, Tool } from "../helpers/tool.ts";

const ours = "from here\n";
const theirs = "from there\n";
/** Longer than anybody waits for: what ends in spite of it ends for another reason. */
const never = "1h";
/** Long enough for an end that must not come to have come. */
const silenceMs = 300;
/** More than the buffers of both ends of a connection hold. */
const large = randomBytes(16 << 20);

/** Each role and each transport once, for what depends on neither. */
const diagonal = ways.filter(
  ({ transport, role, security }) =>
    security === "" && (transport === "tcp") === (role === "listen"),
);
const tcpWays = ways.filter(({ transport, security }) => transport === "tcp" && security === "");

interface Expected {
  readonly received?: number;
  readonly sent?: number;
}

/** It ended well: these bytes on stdout, no error, and the counts of both directions. */
async function endsWell(way: Way, tool: Tool, stdout: string, counts: Expected): Promise<void> {
  const ended = await tool.ended;
  expect(ended.stderr).not.toContain('"error"');
  expect(ended).toMatchObject({ code: 0, signal: null });
  expect(ended.stdout.toString()).toBe(stdout);
  expect(tool.events().map(({ event }) => event)).toEqual(eventNames(way));
  expect(tool.all("closed")).toMatchObject([{ received: stdout.length, ...counts, reason: "end" }]);
}

/** It failed: an error with this code, the same reason in `closed`, and the counts of both directions. */
async function fails(
  way: Way,
  tool: Tool,
  exitCode: number,
  code: RegExp,
  { stdout, ...counts }: Expected & { stdout: string },
): Promise<void> {
  const ended = await tool.ended;
  expect(ended.stdout).toHaveLength(stdout.length);
  expect(ended.stdout.equals(Buffer.from(stdout))).toBe(true);
  expect({ code: ended.code, signal: ended.signal }).toEqual({ code: exitCode, signal: null });
  expect(tool.events().map(({ event }) => event)).toEqual([...eventNames(way), "error"]);
  expect(tool.all("closed")).toMatchObject([
    { received: stdout.length, ...counts, reason: expect.stringMatching(code) as string },
  ]);
  expect(tool.all("error")).toMatchObject([
    { exitCode, code: expect.stringMatching(code) as string },
  ]);
}

describe("the matrix: who speaks first, who ends first, and what stdin is", () => {
  type Stdin = "file" | "open pipe" | "ended pipe" | "/dev/null" | "terminal";
  interface Row {
    readonly stdin: Stdin;
    readonly speaks: "we" | "peer";
    readonly ends: "we" | "peer, half" | "peer, full";
    readonly role?: Way["role"];
  }

  const both = ["we", "peer"] as const;
  const rows: Row[] = [
    // A file is there and over as soon as somebody is there to have it; see below for a large one.
    { stdin: "file", speaks: "we", ends: "we" },
    // A client's empty file is over at once; a listener does not read /dev/null.
    { stdin: "/dev/null", speaks: "peer", ends: "we", role: "connect" },
    { stdin: "/dev/null", speaks: "peer", ends: "peer, half", role: "listen" },
    { stdin: "/dev/null", speaks: "peer", ends: "peer, full", role: "listen" },
    ...both.flatMap((speaks) => [
      { stdin: "open pipe", speaks, ends: "peer, half" } as const,
      { stdin: "open pipe", speaks, ends: "peer, full" } as const,
      { stdin: "ended pipe", speaks, ends: "we" } as const,
      { stdin: "ended pipe", speaks, ends: "peer, half" } as const,
      { stdin: "ended pipe", speaks, ends: "peer, full" } as const,
      { stdin: "terminal", speaks, ends: "we" } as const,
      { stdin: "terminal", speaks, ends: "peer, half" } as const,
      { stdin: "terminal", speaks, ends: "peer, full" } as const,
    ]),
  ];
  const open: Record<Stdin, () => Input | Promise<Input>> = {
    file: () => fileInput(ours),
    "open pipe": pipeInput,
    "ended pipe": pipeInput,
    "/dev/null": nullInput,
    terminal: terminalInput,
  };

  describe.each(ways)("$transport $role$security", (way) => {
    test.for(rows.filter(({ role = way.role }) => role === way.role))(
      "stdin a(n) $stdin, first to speak: $speaks, first to end: $ends: all arrives, exit code 0",
      async ({ stdin, speaks, ends }, { skip }) => {
        if (stdin === "terminal" && !hasTerminal) skip("there is no util-linux script");
        const input = await open[stdin]();
        const weSay = stdin === "/dev/null" ? "" : ours;
        const args = stdin === "open pipe" ? [] : ["--linger", never];
        const { tool, peer } = await meet(way, args, { stdin: input.descriptor });
        const ourEnd = watchEnd(peer);

        const steps = {
          we: async () => {
            input.send(weSay);
            await peerHas(peer, weSay.length);
          },
          peer: async () => {
            peer.socket.write(theirs);
            await tool.outputs(theirs);
          },
        };
        await steps[speaks]();
        await steps[speaks === "we" ? "peer" : "we"]();

        if (ends === "we") {
          input.end();
          await peer.ended;
          peer.socket.end();
        } else {
          expect(ourEnd.seen).toBe(false);
          if (ends === "peer, half") peer.socket.end();
          else peer.socket.destroySoon();
          if (stdin === "ended pipe") input.end();
        }
        await endsWell(way, tool, theirs, { sent: weSay.length });
        expect(await peer.closed).toBeUndefined();
        expect(peer.received().toString()).toBe(weSay);
      },
    );
  });
});

describe.each(ways)("our end ($transport $role$security)", (way) => {
  test("--no-half-close keeps our side open after the end of stdin until the peer ends", async () => {
    const { tool, peer } = await meet(way, ["--no-half-close"], {
      stdin: fileInput(ours).descriptor,
    });
    const ourEnd = watchEnd(peer);
    await peerHas(peer, ours.length);
    await sleep(silenceMs);
    expect(ourEnd.seen).toBe(false);
    peer.socket.end(theirs);
    await peer.ended;
    expect(peer.received().toString()).toBe(ours);
    await endsWell(way, tool, theirs, { sent: ours.length });
  });

  test.each(["--no-stdin", "--receive-only"])(
    "%s reads no stdin and sends nothing, and our side stays open until the peer ends",
    async (flag) => {
      const input = fileInput(ours);
      const { tool, peer } = await meet(way, [flag], { stdin: input.descriptor });
      const ourEnd = watchEnd(peer);
      peer.socket.write(theirs);
      await tool.outputs(theirs);
      await sleep(silenceMs);
      expect(ourEnd.seen).toBe(false);
      peer.socket.end();
      await peer.ended;
      await endsWell(way, tool, theirs, { sent: 0 });
      expect(peer.received()).toHaveLength(0);
      expect(unread(input)).toBe(ours);
    },
  );

  test("--send-only leaves as soon as all is sent, and writes nothing of what arrives", async () => {
    const input = pipeInput();
    const { tool, peer } = await meet(way, ["--send-only"], { stdin: input.descriptor });
    peer.socket.write(theirs);
    input.send(ours);
    await peerHas(peer, ours.length);
    input.end();
    await peer.ended;
    const { code, stdout } = await tool.ended;
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: "" });
    expect(tool.all("closed")).toMatchObject([{ sent: ours.length, reason: "end" }]);
    expect(peer.received().toString()).toBe(ours);
  });
});

describe("stdin is not read before there is somebody to send it to", () => {
  test.each(["tcp", "unix"] as const)(
    "a %s listener without a client leaves all of stdin to the next program",
    async (transport) => {
      const input = fileInput(ours);
      const place = transport === "tcp" ? "127.0.0.1:0" : `@${randomBytes(8).toString("hex")}`;
      const tool = new Tool([transport, "listen", place], { stdin: input.descriptor });
      await tool.event("listening");
      tool.child.kill("SIGTERM");
      expect(await tool.ended).toMatchObject({ code: 143, stdout: Buffer.alloc(0) });
      expect(unread(input)).toBe(ours);
    },
  );

  test("a client that is refused leaves all of a pipe to the next program", async () => {
    const { server, port } = await startServer();
    await new Promise((resolve) => server.close(resolve));
    const shell = new Running("sh", [
      "-c",
      '"$@"; echo "code $?"; cat',
      "sh",
      ...[process.execPath, bin, "tcp", "connect", "127.0.0.1", String(port)],
    ]);
    shell.stdin.end(ours);
    expect((await shell.ended).stdout.toString()).toBe(`code 4\n${ours}`);
  });
});

describe("a stdin that holds nothing", () => {
  const closedStdin = (args: readonly string[]) =>
    new Running("sh", ["-c", '"$@" <&-', "sh", process.execPath, bin, ...args, "--json"]);

  test("a listener whose stdin is /dev/null keeps its side open until the client ends", async () => {
    const way = { transport: "tcp", role: "listen", security: "" } as const;
    const { tool, peer } = await meet(way, [], { stdin: nullInput().descriptor });
    const ourEnd = watchEnd(peer);
    await sleep(silenceMs);
    expect(ourEnd.seen).toBe(false);
    peer.socket.end(theirs);
    await endsWell(way, tool, theirs, { sent: 0 });
  });

  test("a listener whose stdin is closed keeps its side open until the client ends", async () => {
    const tool = closedStdin(["tcp", "listen", "127.0.0.1:0"]);
    const [, port] = await tool.says(/"port":(\d+)/);
    const peer = await connectPeer({ host: "127.0.0.1", port: Number(port) });
    const ourEnd = watchEnd(peer);
    peer.socket.write(theirs);
    await tool.outputs(theirs);
    await sleep(silenceMs);
    expect(ourEnd.seen).toBe(false);
    peer.socket.end();
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from(theirs) });
    expect(tool.stderr).toContain('"reason":"end"');
  });

  test("a client whose stdin is closed ends its side at once and still receives", async () => {
    const { port, client } = await startServer();
    const tool = closedStdin(["tcp", "connect", `127.0.0.1:${String(port)}`]);
    const peer = await client();
    await peer.ended;
    peer.socket.end(theirs);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from(theirs) });
    expect(tool.stderr).toContain('"reason":"end"');
  });
});

describe.each(ways)("after the peer's end ($transport $role$security)", (way) => {
  test("a regular file is still sent to its end, however long it is", async () => {
    const { tool, peer } = await meet(way, ["--linger", "1ms"], {
      stdin: fileInput(large).descriptor,
    });
    const ourEnd = watchEnd(peer);
    peer.socket.pause();
    peer.socket.end(theirs);
    await tool.outputs(theirs);
    await sleep(silenceMs);
    expect(ourEnd.seen).toBe(false);
    peer.socket.resume();
    await peer.ended;
    expect(peer.received().equals(large)).toBe(true);
    await endsWell(way, tool, theirs, { sent: large.length });
  });

  test("a pipe is still sent until it has been silent for the --linger time", async () => {
    const input = pipeInput();
    const { tool, peer } = await meet(way, ["--linger", "500ms"], { stdin: input.descriptor });
    const ourEnd = watchEnd(peer);
    peer.socket.end(theirs);
    await tool.outputs(theirs);
    // All of it takes longer than the linger time, no pause in it does.
    for (let piece = 1; piece <= 5; piece++) {
      await sleep(120);
      expect(ourEnd.seen).toBe(false);
      input.send(ours);
      await peerHas(peer, piece * ours.length);
    }
    await peer.ended;
    await endsWell(way, tool, theirs, { sent: 5 * ours.length });
  });

  test("a pipe that is slow to be taken is not silent, and is sent whole", async () => {
    const { tool, peer } = await meet(way, ["--linger", "100ms"]);
    peer.socket.pause();
    tool.stdin.write(large);
    peer.socket.end(theirs);
    await tool.outputs(theirs);
    await sleep(silenceMs);
    peer.socket.resume();
    await peer.ended;
    expect(peer.received().equals(large)).toBe(true);
    await endsWell(way, tool, theirs, { sent: large.length });
  });

  test("--allow-half-open keeps sending a silent pipe until stdin ends", async () => {
    const input = pipeInput();
    const { tool, peer } = await meet(way, ["--allow-half-open", "--linger", "1ms"], {
      stdin: input.descriptor,
    });
    const ourEnd = watchEnd(peer);
    peer.socket.end(theirs);
    await tool.outputs(theirs);
    await sleep(silenceMs);
    expect(ourEnd.seen).toBe(false);
    input.send(ours);
    await peerHas(peer, ours.length);
    input.end();
    await peer.ended;
    await endsWell(way, tool, theirs, { sent: ours.length });
  });

  test.skipIf(!hasTerminal)("--allow-half-open keeps sending what is typed until ^D", async () => {
    const input = await terminalInput();
    const { tool, peer } = await meet(way, ["--allow-half-open"], { stdin: input.descriptor });
    const ourEnd = watchEnd(peer);
    peer.socket.end(theirs);
    await tool.outputs(theirs);
    await sleep(silenceMs);
    expect(ourEnd.seen).toBe(false);
    input.send(ours);
    await peerHas(peer, ours.length);
    input.end();
    await peer.ended;
    await endsWell(way, tool, theirs, { sent: ours.length });
  });

  test("input for a peer that has left for good cannot be delivered: exit code 8", async () => {
    const input = pipeInput();
    const { tool, peer } = await meet(way, ["--linger", never], { stdin: input.descriptor });
    peer.socket.write(theirs);
    await tool.outputs(theirs);
    peer.socket.destroy();
    await peer.closed;
    input.send(ours);
    input.end();
    await fails(way, tool, 8, /^(ECONNRESET|EPIPE)$/, { stdout: theirs });
  });
});

describe.each(ways)("a peer that does not take what we send ($transport $role$security)", (way) => {
  const lost = /^(ECONNRESET|EPIPE)$/;

  test("it closes without reading it, though all was sent: exit code 8", async () => {
    const { tool, peer } = await meet(way);
    peer.socket.pause();
    tool.stdin.end(large.subarray(0, 1 << 17));
    peer.socket.write(theirs);
    await tool.outputs(theirs);
    await sleep(silenceMs);
    peer.socket.destroy();
    await fails(way, tool, 8, lost, { stdout: theirs });
  });

  test("it goes away in the middle of a file: exit code 8, and what was sent is counted", async () => {
    const { tool, peer } = await meet(way, [], { stdin: fileInput(large).descriptor });
    await peerHas(peer, 1);
    peer.socket.destroy();
    await fails(way, tool, 8, lost, { stdout: "" });
    expect(tool.all("closed")[0]?.sent).toBeLessThan(large.length);
  });

  test("its answer, given before it refused the rest, is written all the same: exit code 8", async () => {
    // What the peer's system has not sent yet dies with the refusal: it has to fit into our window.
    const answer = "x".repeat(30_000);
    const { tool, peer } = await meet(way, [], { stdin: fileInput(large).descriptor });
    peer.socket.pause();
    peer.socket.write(answer, () => peer.socket.destroy());
    await fails(way, tool, 8, lost, { stdout: answer });
  });
});

describe.each(tcpWays)("a reset ($transport $role$security)", (way) => {
  test("in the middle of the stream: exit code 8, what came is written, and the peer is named", async () => {
    const { tool, peer } = await meet(way);
    tool.stdin.write(ours);
    await peerHas(peer, ours.length);
    peer.socket.write(theirs);
    await tool.outputs(theirs);
    peer.socket.resetAndDestroy();
    await fails(way, tool, 8, /^ECONNRESET$/, { stdout: theirs, sent: ours.length });
    const [connected] = tool.all("connected");
    if (connected?.transport !== "tcp") throw new Error("it was a TCP connection");
    const { address, port } = connected.remote;
    const [error] = tool.all("error");
    expect(error?.message).toContain(`${address}:${String(port)}`);
    expect(error?.message).toContain("connection reset by the peer (ECONNRESET)");
    expect(error).toMatchObject({ address, port });
  });

  test("right after an answer: the answer is written, exit code 8", async () => {
    const { tool, peer } = await meet(way, [], { stdin: fileInput(large).descriptor });
    await peerHas(peer, 1);
    peer.socket.write(theirs, () => peer.socket.resetAndDestroy());
    await fails(way, tool, 8, /^(ECONNRESET|EPIPE)$/, { stdout: theirs });
  });
});

describe.each(ways)("stdout ($transport $role$security)", (way) => {
  test("its reader leaves: exit code 141, and what was written is counted", async () => {
    const { tool, peer } = await meet(way);
    peer.socket.write(theirs);
    await tool.outputs(theirs);
    tool.output.destroy();
    peer.socket.write(theirs);
    expect(await tool.ended).toMatchObject({ code: 141, signal: null });
    expect(tool.all("closed")).toMatchObject([
      { received: 2 * theirs.length, sent: 0, reason: "EPIPE" },
    ]);
    expect(tool.all("error")).toMatchObject([{ code: "EPIPE", exitCode: 141 }]);
    expect(tool.all("error")[0]?.message).toContain(
      `${String(theirs.length)} of ${String(2 * theirs.length)} bytes`,
    );
  });

  test("it is full: exit code 1, and nothing of it counts as written", async () => {
    const full = openSync("/dev/full", "w");
    onTestFinished(() => closeSync(full));
    const { tool, peer } = await meet(way, [], { stdout: full });
    peer.socket.write(theirs);
    await fails(way, tool, 1, /^ENOSPC$/, { stdout: "", received: theirs.length, sent: 0 });
    const message = tool.all("error")[0]?.message;
    expect(message).toContain(`0 of ${String(theirs.length)} bytes`);
    expect(message).toContain("no space left on the device (ENOSPC)");
  });
});

test("under a pipe to head the exit code is 141, and head gets its line", async () => {
  const { port, client } = await startServer();
  const shell = new Running("sh", [
    "-c",
    '{ "$@"; echo "code $?" >&2; } | head -n 1',
    "sh",
    ...[process.execPath, bin, "tcp", "connect", "127.0.0.1", String(port)],
  ]);
  const peer = await client();
  peer.socket.write(theirs);
  await shell.outputs(theirs);
  // Head leaves on its own time: it is written to until it has left.
  const writing = setInterval(() => peer.socket.write(theirs), 20);
  onTestFinished(() => clearInterval(writing));
  await shell.says(/code \d+/);
  clearInterval(writing);
  const { stdout, stderr } = await shell.ended;
  expect(stdout.toString()).toBe(theirs);
  expect(stderr).toMatch(/portcat: the reader of stdout went away .*\(EPIPE\)\ncode 141\n$/);
});

describe.each(diagonal)("--bytes ($transport $role$security)", (way) => {
  const count = String(theirs.length);

  test("exactly as many: exit code 0 without waiting for the peer's end", async () => {
    const { tool, peer } = await meet(way, ["--bytes", count]);
    peer.socket.write(theirs);
    await endsWell(way, tool, theirs, { sent: 0 });
  });

  test("more: only so many are written, exit code 0", async () => {
    const { tool, peer } = await meet(way, ["--bytes", count]);
    peer.socket.write(`${theirs}and more`);
    await endsWell(way, tool, theirs, { sent: 0 });
  });

  test("fewer: what came is written, exit code 8, and both counts are said", async () => {
    const { tool, peer } = await meet(way, ["--bytes", count]);
    peer.socket.end("short");
    await fails(way, tool, 8, /./, { stdout: "short", sent: 0 });
    expect(tool.all("error")[0]?.message).toMatch(new RegExp(`\\b5 bytes.*\\b${count}\\b`));
  });
});

describe.each(diagonal)("time limits ($transport $role$security)", (way) => {
  test("-i: nothing moves for so long, exit code 5 with the counts of both directions", async () => {
    const { tool, peer } = await meet(way, ["-i", "300ms"]);
    tool.stdin.write(ours);
    await peerHas(peer, ours.length);
    peer.socket.write(theirs);
    await fails(way, tool, 5, /./, { stdout: theirs, sent: ours.length });
    expect(tool.all("error")[0]?.message).toContain("0.3 s");
  });

  test("-i does not mind silence in one direction while the other moves", async () => {
    const { tool, peer } = await meet(way, ["-i", "600ms"]);
    for (let piece = 1; piece <= 6; piece++) {
      await sleep(150);
      tool.stdin.write(ours);
      await peerHas(peer, piece * ours.length);
    }
    peer.socket.end();
    tool.stdin.end();
    await endsWell(way, tool, "", { sent: 6 * ours.length });
  });

  test("--timeout ends the run although bytes keep coming: exit code 5", async () => {
    const { tool, peer } = await meet(way, ["--timeout", "600ms"]);
    let sent = 0;
    const writing = setInterval(() => {
      peer.socket.write(theirs);
      sent += theirs.length;
    }, 20);
    onTestFinished(() => clearInterval(writing));
    const { code, stdout } = await tool.ended;
    expect(code).toBe(5);
    expect(tool.all("closed")).toMatchObject([{ received: stdout.length, reason: "ETIMEDOUT" }]);
    expect(stdout.length).toBeGreaterThan(0);
    expect(stdout.length).toBeLessThanOrEqual(sent);
    expect(stdout.toString().replaceAll(theirs, "")).toBe("");
    expect(tool.all("error")).toMatchObject([
      { exitCode: 5, message: expect.stringContaining("--timeout") as string },
    ]);
  });
});

test("--timeout ends a listener that nobody comes to: exit code 5", async () => {
  const tool = new Tool(["tcp", "listen", "127.0.0.1:0", "--timeout", "300ms"]);
  expect(await tool.ended).toMatchObject({ code: 5, stdout: Buffer.alloc(0) });
  expect(tool.events().map(({ event }) => event)).toEqual(["listening", "error"]);
  expect(tool.all("error")).toMatchObject([{ exitCode: 5, code: "ETIMEDOUT" }]);
});

test("a reset of one client of --keep-open is an error of its own, and the others go on", async () => {
  const tool = new Tool(["tcp", "listen", "127.0.0.1:0", "-k", "--no-stdin"]);
  const port = await tool.port();
  const join = () => connectPeer({ host: "127.0.0.1", port });
  const [first, second] = [await join(), await join()];
  first.socket.write("1");
  await tool.outputs("1");
  first.socket.resetAndDestroy();
  const error = await tool.event("error");
  expect(error).toMatchObject({ exitCode: 8, code: "ECONNRESET" });
  second.socket.end(theirs);
  await second.ended;
  tool.child.kill("SIGTERM");
  expect(await tool.ended).toMatchObject({ code: 143, stdout: Buffer.from(`1${theirs}`) });
  expect(tool.all("closed")).toMatchObject([
    { received: 1, reason: "ECONNRESET" },
    { received: theirs.length, reason: "end" },
  ]);
});

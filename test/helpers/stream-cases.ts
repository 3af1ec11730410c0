import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect } from "vitest";
import { fileWith, newFile, type Content, content, sha256 } from "./content.ts";
import {
  type Place,
  start,
  type StreamPeer,
  streamPeers,
  testWith,
  type Way,
  whenListening,
} from "./peers.ts";
import { type Ended, type Running, type StartOptions, Tool } from "./tool.ts";

type Role = "listener" | "client";
const roles: readonly Role[] = ["listener", "client"];

const size = 64 << 20;
const [ours, theirs] = [content(size), content(size)];

/** Longer than portcat waits for a silent pipe once the peer has ended. */
const aWhileMs = 500;

export const wordsOf = (place: Place): string[] =>
  place.kind === "tcp" ? [place.host, String(place.port)] : [place.path];

interface Pair {
  tool: Tool;
  other: Running;
}

/** Waits until portcat listens, and tells where: with the port that the system chose. */
export async function whenToolListens<At extends Place>(tool: Tool, at: At): Promise<At> {
  const bound = await tool.event("listening");
  return bound.transport === "unix" ? at : { ...at, port: bound.port };
}

/** Starts portcat in one role and a peer in the other, joined at a place. */
export async function join(
  role: Role,
  peer: StreamPeer,
  place: Place,
  way: Way,
  { args = [], toolOptions, peerOptions }: JoinOptions = {},
): Promise<Pair> {
  if (role === "listener") {
    const tool = new Tool([place.kind, "listen", ...args, ...wordsOf(place)], toolOptions);
    const at = await whenToolListens(tool, place);
    return { tool, other: start(peer.program, peer.connect(at, way), peerOptions) };
  }
  const other = start(peer.program, peer.listen(place, way), peerOptions);
  const at = await whenListening(other, place);
  return { tool: new Tool([place.kind, "connect", ...args, ...wordsOf(at)], toolOptions), other };
}

interface JoinOptions {
  args?: readonly string[];
  toolOptions?: StartOptions;
  peerOptions?: StartOptions;
}

/** The ends of both, which have to be good ones. */
export async function bothEnd({ tool, other }: Pair): Promise<{ tool: Ended; other: Ended }> {
  const [toolEnded, otherEnded] = await Promise.all([tool.ended, other.ended]);
  expect(toolEnded).toMatchObject({ code: 0, signal: null });
  expect(otherEnded).toMatchObject({ code: 0, signal: null, stderr: "" });
  return { tool: toolEnded, other: otherEnded };
}

function expectTotals({ tool }: Pair, totals: { received: number; sent: number }): void {
  expect(tool.all("connected")).toHaveLength(1);
  expect(tool.all("closed")).toMatchObject([{ ...totals, reason: "end" }]);
  expect(tool.all("error")).toEqual([]);
}

const media = ["regular file", "pipe"] as const;
type Medium = (typeof media)[number];

/** Starts both, one of them with the payload as its stdin, and gives the hash of the other's stdout. */
async function transfer(
  role: Role,
  peer: StreamPeer,
  place: Place,
  sender: "portcat" | "the peer",
  medium: Medium,
  { bytes }: Content,
): Promise<Pair & { arrived: string }> {
  const file = medium === "regular file" ? newFile() : undefined;
  const sending: StartOptions = file ? { stdin: fileWith(bytes) } : {};
  const receiving: StartOptions = file ? { stdout: file.descriptor } : {};
  const [way, toolOptions, peerOptions] =
    sender === "portcat"
      ? (["receives", sending, receiving] as const)
      : (["sends", receiving, sending] as const);
  const pair = await join(role, peer, place, way, { toolOptions, peerOptions });
  const [from, to] = sender === "portcat" ? [pair.tool, pair.other] : [pair.other, pair.tool];
  if (!file) from.stdin.end(bytes);
  await bothEnd(pair);
  return { ...pair, arrived: sha256(file?.contents() ?? to.received()) };
}

/**
 * The tests of interoperation that are the same for every stream transport.
 *
 * @param newPlace - called in each test
 */
export function testStreams(transport: string, newPlace: () => Place): void {
  describe.each(roles)(`over ${transport} with portcat as the %s`, (role) => {
    for (const peer of streamPeers) {
      const { program } = peer;

      for (const medium of media) {
        testWith([program], `64 MiB from a ${medium} arrive whole at ${program}`, async () => {
          const pair = await transfer(role, peer, newPlace(), "portcat", medium, ours);
          expect(pair.arrived).toBe(ours.hash);
          expectTotals(pair, { received: 0, sent: size });
        });

        testWith([program], `64 MiB from ${program}'s ${medium} arrive whole`, async () => {
          const pair = await transfer(role, peer, newPlace(), "the peer", medium, theirs);
          expect(pair.arrived).toBe(theirs.hash);
          expectTotals(pair, { received: size, sent: 0 });
        });
      }

      testWith([program], `an answer after ${program} has half-closed arrives there`, async () => {
        const options = { args: ["--allow-half-open"] };
        const pair = await join(role, peer, newPlace(), "both", options);
        pair.other.stdin.end("question\n");
        await pair.tool.outputs("question\n");
        await sleep(aWhileMs);
        pair.tool.stdin.end("answer\n");
        const ended = await bothEnd(pair);
        expect(ended.tool.stdout.toString()).toBe("question\n");
        expect(ended.other.stdout.toString()).toBe("answer\n");
        expectTotals(pair, { received: 9, sent: 7 });
      });

      // As listeners nc and ncat leave as soon as their client has half-closed.
      if (role === "client" && program !== "socat") {
        testWith([program], `with --no-half-close ${program} can still answer`, async () => {
          const options = { args: ["--no-half-close"] };
          const pair = await join(role, peer, newPlace(), "both", options);
          pair.tool.stdin.end("question\n");
          await pair.other.outputs("question\n");
          await sleep(aWhileMs);
          pair.other.stdin.end("answer\n");
          const ended = await bothEnd(pair);
          expect(ended.other.stdout.toString()).toBe("question\n");
          expect(ended.tool.stdout.toString()).toBe("answer\n");
          expectTotals(pair, { received: 7, sent: 9 });
        });
        continue;
      }

      testWith([program], `an answer of ${program}'s after our half-close arrives`, async () => {
        const pair = await join(role, peer, newPlace(), "both");
        pair.tool.stdin.end("question\n");
        await pair.other.outputs("question\n");
        await sleep(aWhileMs);
        pair.other.stdin.end("answer\n");
        const ended = await bothEnd(pair);
        expect(ended.other.stdout.toString()).toBe("question\n");
        expect(ended.tool.stdout.toString()).toBe("answer\n");
        expectTotals(pair, { received: 7, sent: 9 });
      });

      testWith([program], `64 MiB each way at once with ${program} arrive whole`, async () => {
        const pair = await join(role, peer, newPlace(), "both", {
          toolOptions: { stdin: fileWith(ours.bytes) },
          peerOptions: { stdin: fileWith(theirs.bytes) },
        });
        const ended = await bothEnd(pair);
        expect(sha256(ended.other.stdout)).toBe(ours.hash);
        expect(sha256(ended.tool.stdout)).toBe(theirs.hash);
        expectTotals(pair, { received: size, sent: size });
      });
    }

    testWith(["socat"], "a program behind socat sees our end, and its answer arrives", async () => {
      const socat = streamPeers.find(({ program }) => program === "socat") as StreamPeer;
      const toProgram = (args: string[]) =>
        args.map((each) => (each === "-" ? "EXEC:wc -c" : each));
      const behind: StreamPeer = {
        program: "socat",
        listen: (place, way) => toProgram(socat.listen(place, way)),
        connect: (place, way) => toProgram(socat.connect(place, way)),
      };
      const pair = await join(role, behind, newPlace(), "both");
      pair.tool.stdin.end("question\n");
      expect((await bothEnd(pair)).tool.stdout.toString()).toBe("9\n");
      expectTotals(pair, { received: 2, sent: 9 });
    });
  });
}

import { describe, expect, test } from "vitest";
import { ReadBuffers } from "../../src/endpoints/read-buffers.ts";
import { SocketReads } from "../../src/endpoints/socket-reads.ts";
import type { Chunk } from "../../src/flow/chunk.ts";

const largeBytes = 64 * 1024;
/** A connection that is silent, one of thousands, may hold so much. */
const mostSmallBytes = 1024;

/** How much a read was: a number of bytes, or as much as the buffer took. */
type Read = number | "filled";

/** Reads that have started; what they hand out is released at once, or kept where `kept` is given. */
function started(reads: SocketReads, kept?: Chunk[]): SocketReads {
  const to = {
    write: (chunk: Chunk) => (kept === undefined ? chunk.release() : void kept.push(chunk)),
    end: () => undefined,
  };
  reads.start(to, () => undefined);
  return reads;
}

/** What the buffers are for the first of these reads, for each that follows, and after the last. */
function sizes({ onread }: SocketReads, counts: readonly Read[]): string[] {
  const sizeOf = (bytes: number) => {
    if (bytes === largeBytes) return "large";
    return bytes <= mostSmallBytes ? "small" : String(bytes);
  };
  let size = onread.buffer().length;
  const all = [sizeOf(size)];
  for (const count of counts) {
    onread.callback(count === "filled" ? size : count);
    size = onread.buffer().length;
    all.push(sizeOf(size));
  }
  return all;
}

describe("a frugal connection reads", () => {
  test.each<[name: string, counts: Read[], sizes: string[]]>([
    ["into a small buffer at first", [], ["small"]],
    ["small messages into small buffers", [1, 100, 10], ["small", "small", "small", "small"]],
    ["on into a small one after one read that filled it", ["filled"], ["small", "small"]],
    [
      "on into small ones where full and partial reads take turns",
      ["filled", 1, "filled", 1, "filled"],
      ["small", "small", "small", "small", "small", "small"],
    ],
    [
      "into a large one after two filled reads in a row",
      ["filled", "filled"],
      ["small", "small", "large"],
    ],
    [
      "on into large ones for as long as they are used",
      ["filled", "filled", "filled", 30_000, "filled", 60_000],
      ["small", "small", "large", "large", "large", "large", "large"],
    ],
    [
      "into a small one again after a read that is small",
      ["filled", "filled", "filled", 100],
      ["small", "small", "large", "large", "small"],
    ],
    [
      "into a small one again at once where the stream was short",
      ["filled", "filled", 1, "filled", 1],
      ["small", "small", "large", "small", "small", "small"],
    ],
    [
      "into a large one again after two filled reads more",
      ["filled", "filled", 1, "filled", "filled"],
      ["small", "small", "large", "small", "small", "large"],
    ],
  ])("%s", (_, counts, expected) => {
    expect(sizes(started(new SocketReads(new ReadBuffers(), "frugal")), counts)).toEqual(expected);
  });
});

test("a greedy connection always reads into large buffers", () => {
  const counts: Read[] = [1, 1, 640, "filled", 1, 30_000];
  expect(sizes(started(new SocketReads(new ReadBuffers(), "greedy")), counts)).toEqual(
    [...counts, "after the last"].map(() => "large"),
  );
});

test.each([
  ["a frugal connection, of messages,", "frugal", 100],
  ["a frugal connection, of a stream,", "frugal", "filled"],
  ["a greedy connection", "greedy", 100],
] as const)("%s reads into no buffer that is still lent", (_, appetite, count) => {
  const kept: Chunk[] = [];
  const { onread } = started(new SocketReads(new ReadBuffers(), appetite), kept);
  const read = (mark: number) => {
    const buffer = onread.buffer().fill(mark);
    onread.callback(count === "filled" ? buffer.length : count);
  };
  // Those that it has been given back are used again.
  for (let nth = 0; nth < 4; nth++) read(0);
  for (const chunk of kept.splice(0)) chunk.release();
  for (const mark of [1, 2, 3, 4, 5]) read(mark);
  onread.buffer().fill(6);
  expect(kept.map(({ bytes }) => [bytes[0], bytes.at(-1)])).toEqual(
    [1, 2, 3, 4, 5].map((mark) => [mark, mark]),
  );
});

test("connections that share buffers read into what another has let go of", () => {
  const shared = new ReadBuffers();
  const [first, second] = [
    started(new SocketReads(shared)),
    started(new SocketReads(shared)),
  ] as const;
  const buffer = first.onread.buffer();
  first.onread.callback(10);
  expect(second.onread.buffer() === buffer).toBe(true);
  expect(first.onread.buffer() === buffer).toBe(false);
});

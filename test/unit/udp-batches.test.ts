import { expect, onTestFinished, test } from "vitest";
import { UdpBatchSource } from "../../src/endpoints/udp-batches.ts";
import type { Chunk } from "../../src/flow/chunk.ts";
import { type UdpPeer, udpPeer } from "../helpers/datagrams.ts";
import { turns } from "../helpers/memory.ts";

interface Batches {
  readonly source: UdpBatchSource;
  /** What has been handed out. Nothing is released but by the test. */
  readonly chunks: Chunk[];
  /** The same as text, as it was when it came. */
  readonly texts: string[];
  readonly told: { ends: number; failures: unknown[] };
  /** Sends datagrams, one after the other. */
  readonly send: (...datagrams: (string | Buffer)[]) => Promise<void>;
  /** Waits until so many datagrams have been received or dropped in all. */
  readonly took: (count: number) => Promise<void>;
}

/** A source that has started on a socket of its own, and hands out to a receiver that keeps all. */
async function started(count = Infinity): Promise<Batches> {
  const [bound, sender]: UdpPeer[] = [await udpPeer(), await udpPeer()];
  if (bound === undefined || sender === undefined) throw new Error("there are two");
  bound.socket.removeAllListeners("message");
  const source = new UdpBatchSource(bound.socket, count);
  const chunks: Chunk[] = [];
  const texts: string[] = [];
  const write = (chunk: Chunk) => {
    chunks.push(chunk);
    texts.push(chunk.bytes.toString());
  };
  const told = { ends: 0, failures: [] as unknown[] };
  source.start({ write, end: () => told.ends++ }, (error) => told.failures.push(error));
  onTestFinished(() => source.stop());
  return {
    source,
    chunks,
    texts,
    told,
    send: async (...datagrams) => {
      for (const datagram of datagrams) await sender.send(datagram, bound.port);
    },
    took: async (count) => {
      while (source.received + source.dropped < count) await turns(1);
    },
  };
}

test("while a chunk is out, what comes is collected in one, handed out once the first is released", async () => {
  const { source, chunks, texts, send, took } = await started();
  await send("first");
  await took(1);
  expect([texts, source.lent]).toEqual([["first"], 1]);
  for (const [nth, text] of ["a", "b", "", "c"].entries()) {
    await send(text);
    await took(nth + 2);
  }
  expect([texts, source.lent]).toEqual([["first"], 1]);
  chunks[0]?.release();
  expect([texts, source.lent]).toEqual([["first", "abc"], 1]);
  await send("d");
  await took(6);
  expect(source.lent).toBe(1);
  chunks[1]?.release();
  expect([texts, source.lent]).toEqual([["first", "abc", "d"], 1]);
  chunks[2]?.release();
  expect([texts, source.lent, source.received, source.dropped]).toEqual([
    ["first", "abc", "d"],
    0,
    6,
    0,
  ]);
});

test("what waits together is read together, in order", async () => {
  const { chunks, texts, send, took } = await started();
  const sent = Array.from({ length: 20 }, (_, index) => `${String(index)},`);
  // All of them wait in the system: nothing is read in the turn in which they are sent.
  await Promise.all(sent.map((text) => send(text)));
  await took(20);
  // Node announces one at a time: the others are read with it.
  expect(texts[0]?.length).toBeGreaterThan("0,".length);
  chunks[0]?.release();
  expect(texts.join("")).toBe(sent.join(""));
  expect(chunks.length).toBeLessThan(sent.length);
});

test("stop hands out what was read, and nothing after it", async () => {
  const { source, chunks, texts, told, send, took } = await started();
  await send("first");
  await took(1);
  await send("second");
  await took(2);
  source.stop();
  expect([texts, source.lent]).toEqual([["first", "second"], 2]);
  await send("late");
  await turns(5);
  for (const chunk of chunks) chunk.release();
  await turns(5);
  expect([texts, source.lent]).toEqual([["first", "second"], 0]);
  expect([source.received, told]).toEqual([2, { ends: 0, failures: [] }]);
});

test("the last of those that were asked for is the end, with all of them handed out, and none too many", async () => {
  const { source, chunks, texts, told, send } = await started(5);
  await Promise.all(["a", "b", "c", "d", "e", "f", "g"].map((text) => send(text)));
  while (told.ends === 0) await turns(1);
  expect(texts.join("")).toBe("abcde");
  for (const chunk of chunks) chunk.release();
  await turns(5);
  expect(texts.join("")).toBe("abcde");
  expect([source.received, source.lent, told]).toEqual([5, 0, { ends: 1, failures: [] }]);
});

test("a chunk without room for the longest datagram is handed out, though another is out; its memory is not used before its release", async () => {
  const { source, chunks, send, took } = await started();
  const large = Array.from({ length: 9 }, (_, index) => Buffer.alloc(60_000, index + 1));
  for (const [nth, bytes] of large.entries()) {
    await send(bytes);
    await took(nth + 1);
  }
  expect(chunks.length).toBeGreaterThan(2);
  expect(source.lent).toBe(chunks.length);
  source.stop();
  expect(Buffer.concat(chunks.map(({ bytes }) => bytes)).equals(Buffer.concat(large))).toBe(true);
  for (const chunk of chunks) expect(chunk.bytes.length).toBeLessThanOrEqual(256 * 1024);
});

test("the memory of a chunk that was released is used again, and only then", async () => {
  const { chunks, texts, send, took } = await started();
  for (let nth = 1; nth <= 4; nth++) {
    await send(String(nth));
    await took(nth);
    chunks[nth - 2]?.release();
    expect(chunks.at(-1)?.bytes.toString()).toBe(String(nth));
  }
  const used = new Set(chunks.map(({ bytes }) => bytes.buffer));
  expect([texts.length, used.size]).toEqual([4, 2]);
});

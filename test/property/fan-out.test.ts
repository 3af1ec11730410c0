import fc from "fast-check";
import { expect, test } from "vitest";
import type { Chunk, Source } from "../../src/flow/chunk.ts";
import { FanOut } from "../../src/flow/fan-out.ts";
import { mostLent, payload, sourcePace } from "../helpers/arbitraries.ts";
import { MemorySource, turns } from "../helpers/memory.ts";

/** What a queue may hold beyond its bound: the last slice that was let in. */
const sliceBytes = 64 * 1024;
const patiently = 60_000;

/** How a subscriber lets go of its chunks. */
interface Manner {
  /** Turns of the event loop between two releases; 0 releases within `write`. */
  readonly every: number;
  /** Chunks it collects before it releases any, unless nothing more comes. */
  readonly batch: number;
  readonly order: "first" | "last";
}

const manner: fc.Arbitrary<Manner> = fc.record({
  every: fc.nat(3),
  batch: fc.integer({ min: 1, max: 4 }),
  order: fc.constantFrom("first" as const, "last" as const),
});

/** Takes from one subscription, and keeps what it gets. */
class Subscriber {
  readonly source: Source;
  ends = 0;
  failures: unknown[] = [];
  taken = 0;
  queued = 0;
  mostQueued = 0;
  readonly #manner: Manner;
  readonly #chunks: Buffer[] = [];
  readonly #held: Chunk[] = [];

  constructor(fanOut: FanOut, manner: Manner) {
    this.#manner = manner;
    this.source = fanOut.subscribe("peer", { taken: () => this.taken, waiting: () => true });
    this.source.start(
      {
        write: (chunk) => this.#take(chunk),
        end: () => this.ends++,
      },
      (error) => this.failures.push(error),
    );
    if (manner.every > 0) void this.#releaseNowAndThen();
  }

  received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get over(): boolean {
    return this.ends + this.failures.length > 0 && this.#held.length === 0;
  }

  #take(chunk: Chunk): void {
    this.#chunks.push(Buffer.from(chunk.bytes));
    this.queued += chunk.bytes.length;
    this.mostQueued = Math.max(this.mostQueued, this.queued);
    this.#held.push(chunk);
    if (this.#manner.every === 0) this.#release();
  }

  #release(): void {
    const chunk = this.#manner.order === "first" ? this.#held.shift() : this.#held.pop();
    if (chunk === undefined) return;
    this.queued -= chunk.bytes.length;
    this.taken += chunk.bytes.length;
    chunk.release();
  }

  async #releaseNowAndThen(): Promise<void> {
    let before = 0;
    while (!this.over) {
      await turns(this.#manner.every);
      // A batch that does not fill up is released too: the source may be waiting for us.
      if (this.#held.length >= this.#manner.batch || this.#held.length === before)
        for (let i = this.#manner.batch; i > 0; i--) this.#release();
      before = this.#held.length;
    }
  }
}

const limits = fc.record({
  queueBytes: fc.integer({ min: 1, max: 200_000 }),
  stallMs: fc.constant(patiently),
});
const how = fc.record({ pace: sourcePace, mostLent });

test("subscribers that are there from the start all get every byte, within the bound of their queues", () =>
  fc.assert(
    fc.asyncProperty(
      payload,
      how,
      limits,
      fc.array(manner, { minLength: 1, maxLength: 4 }),
      async (pieces, options, limits, manners) => {
        const source = new MemorySource(pieces, options);
        const fanOut = new FanOut(source, limits);
        const subscribers = manners.map((manner) => new Subscriber(fanOut, manner));
        while (!subscribers.every((each) => each.over)) await turns(1);
        for (const each of subscribers) {
          expect(each.received().equals(Buffer.concat(pieces))).toBe(true);
          expect({ ends: each.ends, failures: each.failures }).toEqual({ ends: 1, failures: [] });
          expect(each.mostQueued).toBeLessThan(limits.queueBytes + sliceBytes);
          expect(each.source.lent).toBe(0);
        }
        expect(source.starts).toBe(1);
        expect(source.releases).toEqual(pieces.map(() => 1));
      },
    ),
    { numRuns: 200 },
  ));

test("a subscriber that leaves or comes in between costs the others nothing", () =>
  fc.assert(
    fc.asyncProperty(
      payload,
      how,
      limits,
      fc.array(manner, { minLength: 1, maxLength: 3 }),
      manner,
      fc.nat(12),
      async (pieces, options, limits, manners, guestManner, when) => {
        const source = new MemorySource(pieces, options);
        const fanOut = new FanOut(source, limits);
        const leaver = new Subscriber(fanOut, guestManner);
        const stayers = manners.map((manner) => new Subscriber(fanOut, manner));
        await turns(when);
        leaver.source.stop();
        const latecomer = new Subscriber(fanOut, guestManner);
        const all = Buffer.concat(pieces);
        while (![...stayers, latecomer].every((each) => each.over)) await turns(1);
        for (const each of stayers) expect(each.received().equals(all)).toBe(true);
        const beginning = leaver.received();
        expect(beginning.equals(all.subarray(0, beginning.length))).toBe(true);
        const rest = latecomer.received();
        expect(rest.equals(all.subarray(all.length - rest.length))).toBe(true);
        expect(latecomer.ends).toBe(1);
        expect(source.releases).toEqual(pieces.map(() => 1));
      },
    ),
    { numRuns: 200 },
  ));

test("a subscriber that leaves while it is written to does not disturb the order for the others", async () => {
  const source = new MemorySource([Buffer.from("one "), Buffer.from("two "), Buffer.from("three")]);
  const fanOut = new FanOut(source, { queueBytes: 1000, stallMs: patiently });
  const leaver = fanOut.subscribe("peer", { taken: () => 0, waiting: () => true });
  leaver.start(
    {
      write: (chunk) => {
        leaver.stop();
        chunk.release();
      },
      end: () => undefined,
    },
    () => undefined,
  );
  const stayer = new Subscriber(fanOut, { every: 0, batch: 1, order: "first" });
  while (!stayer.over) await turns(1);
  expect(stayer.received().toString()).toBe("one two three");
});

test("one that takes nothing while its queue is full is given up, and the others get everything", async () => {
  const pieces = Array.from({ length: 10 }, (_, i) => Buffer.alloc(10_000, i));
  const source = new MemorySource(pieces);
  const fanOut = new FanOut(source, { queueBytes: 30_000, stallMs: 50 });
  const stuck = fanOut.subscribe("peer", { taken: () => 0, waiting: () => true });
  const failures: unknown[] = [];
  const held: Chunk[] = [];
  stuck.start({ write: (chunk) => held.push(chunk), end: () => expect.unreachable() }, (error) =>
    failures.push(error),
  );
  const others = [1, 2].map((every) => new Subscriber(fanOut, { every, batch: 1, order: "first" }));
  while (!others.every((each) => each.over)) await turns(1);
  for (const each of others) expect(each.received().equals(Buffer.concat(pieces))).toBe(true);
  expect(failures).toMatchObject([{ code: "ESTALLED", exitCode: 8 }]);
  for (const chunk of held) chunk.release();
  expect(stuck.lent).toBe(0);
  expect(source.releases).toEqual(pieces.map(() => 1));
});

test("one that takes a little now and then is waited for, however full its queue is", async () => {
  const pieces = Array.from({ length: 4 }, (_, i) => Buffer.alloc(1000, i));
  const fanOut = new FanOut(new MemorySource(pieces), { queueBytes: 1000, stallMs: 40 });
  let taken = 0;
  const slow = fanOut.subscribe("peer", { taken: () => taken, waiting: () => true });
  const held: Chunk[] = [];
  const ended = new Promise<void>((resolve, reject) => {
    slow.start({ write: (chunk) => held.push(chunk), end: resolve }, reject);
  });
  // Each chunk takes longer than the stall time in all, but a byte of it moves in between.
  const moving = setInterval(() => {
    taken++;
    if (taken % 12 === 0) held.shift()?.release();
  }, 10);
  await ended.finally(() => clearInterval(moving));
  expect(held.every((chunk) => chunk.bytes.length === 1000)).toBe(true);
});

test("a failure of the source fails every subscriber once, those that come later too", async () => {
  const error = new Error("unreadable");
  const source = new MemorySource([Buffer.from("a"), Buffer.from("b")], { failAt: 2, error });
  const fanOut = new FanOut(source, { queueBytes: 1000, stallMs: patiently });
  const eager: Manner = { every: 0, batch: 1, order: "first" };
  const early = [new Subscriber(fanOut, eager), new Subscriber(fanOut, eager)];
  while (!early.every((each) => each.over)) await turns(1);
  const late = new Subscriber(fanOut, eager);
  for (const each of [...early, late])
    expect({ ends: each.ends, failures: each.failures }).toEqual({ ends: 0, failures: [error] });
  expect(early.map((each) => each.received().toString())).toEqual(["ab", "ab"]);
  expect(source.allReleasedOnce()).toBe(true);
});

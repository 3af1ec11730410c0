import fc from "fast-check";
import { expect, test } from "vitest";
import type { Sink } from "../../src/flow/chunk.ts";
import { SharedSink } from "../../src/flow/shared-sink.ts";
import { sinkPace } from "../helpers/arbitraries.ts";
import { MemorySink, turns } from "../helpers/memory.ts";

interface Member {
  readonly sink: Sink;
  readonly written: Buffer[];
  readonly releases: number[];
  ended: boolean;
  /** Bytes of its own that were released when it was told that it is finished. */
  finished: number[];
  failures: unknown[];
}

function join(shared: SharedSink): Member {
  const member: Member = {
    sink: shared.member(),
    written: [],
    releases: [],
    ended: false,
    finished: [],
    failures: [],
  };
  member.sink.open(
    () => member.finished.push(member.releases.filter((count) => count > 0).length),
    (error) => member.failures.push(error),
  );
  return member;
}

function write(member: Member, bytes: Uint8Array): void {
  const index = member.releases.push(0) - 1;
  member.written.push(Buffer.from(bytes));
  const lent = Buffer.from(bytes);
  member.sink.write({
    bytes: lent,
    release: () => {
      member.releases[index] = (member.releases[index] ?? 0) + 1;
      lent.fill(0xee);
    },
  });
}

/** Who does something next: writes these bytes, ends, or lets a turn of the event loop pass. */
const steps = fc.array(
  fc.record({
    who: fc.nat(3),
    what: fc.oneof(
      { weight: 6, arbitrary: fc.uint8Array({ maxLength: 20 }) },
      { weight: 1, arbitrary: fc.constant("end" as const) },
      { weight: 2, arbitrary: fc.constant("turn" as const) },
    ),
  }),
  { maxLength: 40 },
);

async function play(
  sink: MemorySink,
  script: typeof steps extends fc.Arbitrary<infer T> ? T : never,
): Promise<{ members: Member[]; written: Buffer }> {
  const shared = new SharedSink(sink);
  const members = [0, 1, 2, 3].map(() => join(shared));
  const written: Buffer[] = [];
  for (const { who, what } of script) {
    const member = members[who];
    if (what === "turn") await turns(1);
    else if (member === undefined || member.ended) continue;
    else if (what === "end") {
      member.ended = true;
      member.sink.end();
    } else {
      written.push(Buffer.from(what));
      write(member, what);
    }
  }
  for (const member of members.filter(({ ended }) => !ended)) member.sink.end();
  await turns(script.length + 5);
  return { members, written: Buffer.concat(written) };
}

test("what several write arrives whole and in order, and each is finished once its own has been taken", () =>
  fc.assert(
    fc.asyncProperty(steps, sinkPace, async (script, pace) => {
      const sink = new MemorySink({ pace });
      const { members, written } = await play(sink, script);
      expect(sink.received()).toEqual(written);
      expect(sink.opens).toBe(1);
      for (const { sink, written, releases, finished, failures } of members) {
        expect(releases).toEqual(written.map(() => 1));
        expect(finished).toEqual([written.length]);
        expect(failures).toEqual([]);
        expect(sink.delivered).toBe(Buffer.concat(written).length);
        expect(sink.taken).toBe(sink.delivered);
      }
    }),
    { numRuns: 300 },
  ));

test("when the one sink fails, each member either was finished or fails once, and all is released", () =>
  fc.assert(
    fc.asyncProperty(steps, sinkPace, fc.nat(20), async (script, pace, failAt) => {
      const error = new Error("no space");
      const sink = new MemorySink({ pace, failAt, error });
      const { members, written } = await play(sink, script);
      const received = sink.received();
      expect(received).toEqual(written.subarray(0, received.length));
      let delivered = 0;
      for (const { sink, written, releases, finished, failures } of members) {
        expect(releases).toEqual(written.map(() => 1));
        expect(finished.length + failures.length).toBe(1);
        if (failures.length > 0) expect(failures).toEqual([error]);
        delivered += sink.delivered;
      }
      expect(delivered).toBe(received.length);
    }),
    { numRuns: 300 },
  ));

test("a member that joins after the failure fails at once", async () => {
  const error = new Error("no space");
  const shared = new SharedSink(new MemorySink({ pace: "now", failAt: 0, error }));
  const first = join(shared);
  write(first, Buffer.from("x"));
  await turns(2);
  const second = join(shared);
  expect([first.failures, second.failures]).toEqual([[error], [error]]);
  expect(first.releases).toEqual([1]);
});

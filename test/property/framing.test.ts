import fc from "fast-check";
import { expect, test } from "vitest";
import { PortcatError } from "../../src/errors.ts";
import { framed, type Framing } from "../../src/flow/framing.ts";
import { chunked, mostLent, sourcePace } from "../helpers/arbitraries.ts";
import { collect, MemorySource } from "../helpers/memory.ts";

const framings: fc.Arbitrary<Framing> = fc.oneof(
  fc.boolean().map((evenEmpty) => ({ kind: "whole" as const, evenEmpty })),
  fc.constant({ kind: "lines" as const }),
  fc.integer({ min: 1, max: 40 }).map((size) => ({ kind: "chunks" as const, size })),
);

/** The frames that `bytes` should become, found without any chunks. */
function framesOf(bytes: Buffer, framing: Framing): string[] {
  const text = bytes.toString("latin1");
  if (framing.kind === "whole") return text === "" && !framing.evenEmpty ? [] : [text];
  if (framing.kind === "lines") return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const frames: string[] = [];
  for (let at = 0; at < text.length; at += framing.size)
    frames.push(text.slice(at, at + framing.size));
  return frames;
}

const asText = (frames: readonly Buffer[]) => frames.map((frame) => frame.toString("latin1"));
const flow = fc.record({ pace: sourcePace, mostLent });

test("frames are as defined and lose nothing, wherever the input is cut", () =>
  fc.assert(
    fc.asyncProperty(chunked, framings, flow, fc.nat(2), async (pieces, framing, how, hold) => {
      const source = new MemorySource(pieces, how);
      const { frames, ends, failures } = await collect(framed(source, framing, 65507), hold);
      expect(asText(frames)).toEqual(framesOf(Buffer.concat(pieces), framing));
      expect({ ends, failures }).toEqual({ ends: 1, failures: [] });
      expect(source.releases).toEqual(pieces.map(() => 1));
    }),
    { numRuns: 500 },
  ));

test("the first frame that is too long is a failure, after those before it and instead of an end", () =>
  fc.assert(
    fc.asyncProperty(
      chunked,
      framings,
      flow,
      fc.integer({ min: 40, max: 60 }),
      async (pieces, framing, how, longest) => {
        const expected = framesOf(Buffer.concat(pieces), framing);
        const bad = expected.findIndex((frame) => frame.length > longest);
        const source = new MemorySource(pieces, how);
        const { frames, ends, failures } = await collect(framed(source, framing, longest));
        expect(asText(frames)).toEqual(bad < 0 ? expected : expected.slice(0, bad));
        expect(ends).toBe(bad < 0 ? 1 : 0);
        expect(failures).toHaveLength(bad < 0 ? 0 : 1);
        if (bad >= 0) {
          expect(failures[0]).toBeInstanceOf(PortcatError);
          const exitCode = framing.kind === "whole" ? 2 : 8;
          expect(failures[0]).toMatchObject({ code: "EMSGSIZE", exitCode });
          expect((failures[0] as Error).message).toContain(`more than ${String(longest)} bytes`);
          expect(source.stopped).toBe(true);
        }
        expect(source.allReleasedOnce()).toBe(true);
      },
    ),
    { numRuns: 500 },
  ));

test("a source that is left sends what was read as a last frame, and hands out nothing after that", () =>
  fc.assert(
    fc.asyncProperty(chunked, framings, fc.nat(20), async (pieces, framing, stopAfter) => {
      const source = new MemorySource(pieces, { pace: "later", mostLent: 1 });
      const frames: Buffer[] = [];
      const framedSource = framed(source, framing, 65507);
      let ended = false;
      framedSource.start(
        {
          write(chunk) {
            frames.push(Buffer.from(chunk.bytes));
            chunk.release();
          },
          end: () => (ended = true),
        },
        () => expect.unreachable(),
      );
      for (let i = 0; i < stopAfter && !ended; i++)
        await new Promise((resolve) => setImmediate(resolve));
      framedSource.leave?.();
      const read = source.handedOut();
      const count = frames.length;
      expect(Buffer.concat(frames)).toEqual(read);
      await new Promise((resolve) => setImmediate(resolve));
      expect(frames).toHaveLength(count);
      expect(source.stopped).toBe(true);
      expect(source.allReleasedOnce()).toBe(true);
    }),
    { numRuns: 200 },
  ));

test("a failure of the source is passed on, after the frames that were whole", async () => {
  const error = new Error("gone");
  const source = new MemorySource([Buffer.from("a\nb\nc")], { failAt: 1, error });
  const { frames, ends, failures } = await collect(framed(source, { kind: "lines" }, 100));
  expect({ frames: asText(frames), ends, failures }).toEqual({
    frames: ["a\n", "b\n"],
    ends: 0,
    failures: [error],
  });
});

import fc from "fast-check";
import { cutAt } from "./memory.ts";

/** Bytes in which those that matter to text (CR, LF, escape, UTF-8) are frequent, up to `most` pieces. */
export function textualBytes(most = 60): fc.Arbitrary<Buffer> {
  const piece = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.constantFrom("\n", "\r", "\r\n", "\t", "\x1b[2J", "\x7f", "\u009b"),
    },
    { weight: 3, arbitrary: fc.string({ maxLength: 8 }) },
    { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 4 }) },
    { weight: 3, arbitrary: fc.uint8Array({ maxLength: 5 }) },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        ...[
          [0xc2, 0x9b],
          [0xc0, 0x80],
          [0xe0, 0x80, 0x9b],
          [0xed, 0xa0, 0x80],
          [0xf4, 0x90],
          [0xf8],
        ],
        ...[[0xc3], [0xe2, 0x82], [0xf0, 0x9f, 0x98], [0xf0, 0x9f], [0x80], [0xff]],
      ),
    },
  );
  return fc
    .array(piece, { maxLength: most })
    .map((pieces) =>
      Buffer.concat(
        pieces.map((each) => (typeof each === "string" ? Buffer.from(each) : Buffer.from(each))),
      ),
    );
}

/** Lengths at which bytes are cut into chunks: mostly short, some empty, some longer than any input. */
export const cuts: fc.Arbitrary<number[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: 0, max: 7 }) },
    { weight: 2, arbitrary: fc.integer({ min: 8, max: 300 }) },
  ),
  { maxLength: 40 },
);

/** Text-like bytes in chunks, cut anywhere. */
export const chunked: fc.Arbitrary<Buffer[]> = fc
  .tuple(textualBytes(), cuts)
  .map(([bytes, lengths]) => cutAt(bytes, lengths));

/** Chunks of random bytes, from nothing to more than a socket buffer's worth. */
export const payload: fc.Arbitrary<Buffer[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.integer({ min: 1, max: 150_000 }), fc.nat(250))
        .map(([length, seed]) =>
          Buffer.from(Array.from({ length }, (_, i) => (i * 7 + seed) % 251)),
        ),
    },
  ),
  { maxLength: 12 },
);

export const sourcePace = fc.constantFrom("eager" as const, "later" as const);
export const sinkPace = fc.constantFrom("now" as const, "later" as const);
export const mostLent = fc.integer({ min: 1, max: 4 });

import { expect, test } from "vitest";
import { ReadBuffers } from "../../src/endpoints/read-buffers.ts";
import { RecordBuffers } from "../../src/endpoints/record-buffers.ts";
import { turns } from "../helpers/memory.ts";

const slabBytes = 64 * 1024;
const recordBytes = 16 * 1024;

interface Piece {
  bytes: Buffer;
  release: () => void;
}

/** Buffers whose pieces are kept, until they are let go of; as Node, a record fills what it was given. */
function kept({ mostOut = Infinity } = {}) {
  const pieces: Piece[] = [];
  let pauses = 0;
  const records = new RecordBuffers(
    new ReadBuffers(),
    (bytes, release) => pieces.push({ bytes, release }) < mostOut,
    () => pauses++,
  );
  let buffer = records.onread.buffer();
  /** A record with this byte; what does not fit comes by itself, as Node does it. */
  const record = (length: number, mark: number): boolean[] => {
    const goOn: boolean[] = [];
    for (let left = length; left > 0;) {
      const count = Math.min(left, buffer.length);
      buffer.fill(mark, 0, count);
      goOn.push(records.onread.callback(count));
      buffer = records.onread.buffer();
      left -= count;
    }
    return goOn;
  };
  const lengths = () => pieces.map(({ bytes }) => bytes.length);
  return { records, pieces, record, lengths, pauses: () => pauses };
}

test("a single record is handed out in the same turn of the event loop", async () => {
  const { record, lengths } = kept();
  record(5, 1);
  await turns(1);
  expect(lengths()).toEqual([5]);
});

test("records that come together are handed out together, in their order", async () => {
  const { record, pieces } = kept();
  for (const mark of [1, 2, 3]) record(100, mark);
  await turns(1);
  const expected = Buffer.concat([1, 2, 3].map((mark) => Buffer.alloc(100, mark)));
  expect(pieces.map(({ bytes }) => bytes.equals(expected))).toEqual([true]);
});

test("a buffer that is full is handed out at once", () => {
  const { record, lengths } = kept();
  for (const mark of [1, 2, 3, 4]) record(recordBytes, mark);
  expect(lengths()).toEqual([slabBytes]);
});

test("what comes over the end of a buffer goes on in another", async () => {
  const { record, pieces, lengths } = kept();
  record(slabBytes - 10, 1);
  record(30, 2);
  await turns(1);
  expect(lengths()).toEqual([slabBytes, 20]);
  expect(pieces[0]?.bytes.subarray(-10).equals(Buffer.alloc(10, 2))).toBe(true);
  expect(pieces[1]?.bytes.equals(Buffer.alloc(20, 2))).toBe(true);
});

test("memory that is lent is not written to, and is used again once all of it is free", async () => {
  const { record, pieces } = kept();
  for (let mark = 1; mark <= 24; mark++) {
    record(recordBytes, mark);
    if (mark % 3 === 0) await turns(1);
  }
  const seen = Buffer.concat(pieces.map(({ bytes }) => bytes));
  const marks = Array.from({ length: 24 }, (_, index) => seen[index * recordBytes]);
  expect(marks).toEqual(Array.from({ length: 24 }, (_, index) => index + 1));
  const memory = new Set(pieces.map(({ bytes }) => bytes.buffer));
  for (const { release } of pieces.splice(0)) release();
  for (let mark = 1; mark <= 16; mark++) record(recordBytes, mark);
  // The first goes where there was nothing lent.
  const known = pieces.map(({ bytes }) => memory.has(bytes.buffer));
  expect(known).toEqual([false, true, true, true]);
});

test("whoever has enough pauses reading: at once where a buffer was full, or at the end of the turn", async () => {
  const { record, pauses } = kept({ mostOut: 1 });
  expect(record(slabBytes, 1)).toEqual([false]);
  record(10, 2);
  expect(pauses()).toBe(0);
  await turns(1);
  expect(pauses()).toBe(1);
});

test("a flush hands out what there is, and the end of the turn then has nothing more", async () => {
  const { records, record, lengths } = kept();
  record(10, 1);
  records.flush();
  expect(lengths()).toEqual([10]);
  await turns(1);
  records.flush();
  expect(lengths()).toEqual([10]);
});

import { expect, test } from "vitest";
import { ReadBuffers } from "../../src/endpoints/read-buffers.ts";

test("buffers are used again, but no more than sixteen are kept for it", () => {
  const buffers = new ReadBuffers();
  const first = Array.from({ length: 100 }, () => buffers.take());
  expect(new Set(first).size).toBe(100);
  for (const buffer of first) buffers.give(buffer);
  const again = Array.from({ length: 100 }, () => buffers.take());
  expect(again.filter((buffer) => first.includes(buffer))).toHaveLength(16);
});

test("a buffer of a size that is not wanted any more is not kept", () => {
  const buffers = new ReadBuffers();
  const small = buffers.take();
  buffers.resize(2 * small.length);
  buffers.give(small);
  expect(buffers.take()).toHaveLength(2 * small.length);
});

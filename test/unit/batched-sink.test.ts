import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { BatchedSink } from "../../src/flow/batched-sink.ts";
import { DescriptorSink } from "../../src/flow/descriptor-sink.ts";
import { turns } from "../helpers/memory.ts";
import { temporaryFolder } from "../helpers/tool.ts";

function openBatched() {
  const path = join(temporaryFolder(), "out");
  const descriptor = openSync(path, "w");
  onTestFinished(() => closeSync(descriptor));
  const sink = new BatchedSink(new DescriptorSink(descriptor));
  const told = { finished: 0, failed: 0, released: 0 };
  sink.open(
    () => told.finished++,
    () => told.failed++,
  );
  const write = (text: string) =>
    sink.write({ bytes: Buffer.from(text), release: () => told.released++ });
  return { sink, told, write, written: () => readFileSync(path, "utf8") };
}

test("what comes in one turn is written together at its end, in order", async () => {
  const { told, write, written, sink } = openBatched();
  for (const text of ["a", "", "b", "c"]) write(text);
  expect([written(), told.released, sink.delivered]).toEqual(["", 0, 0]);
  await turns(1);
  expect([written(), told.released, sink.delivered]).toEqual(["abc", 4, 3]);
  write("d");
  await turns(1);
  expect([written(), told.released, sink.delivered]).toEqual(["abcd", 5, 4]);
});

test("the end writes what waits, and is the end", () => {
  const { sink, told, write, written } = openBatched();
  write("a");
  write("b");
  sink.end();
  expect(written()).toBe("ab");
  expect(told).toEqual({ finished: 1, failed: 0, released: 2 });
});

test("a flood in one turn does not wait for its end: what waits is bounded", () => {
  const { told, write, written } = openBatched();
  for (let i = 0; i < 1500; i++) write(String(i % 10));
  expect(told.released).toBe(1024);
  expect(written()).toBe("0123456789".repeat(150).slice(0, 1024));
});

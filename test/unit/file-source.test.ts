import { closeSync, openSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Chunk } from "../../src/flow/chunk.ts";
import { FileSource } from "../../src/flow/file-source.ts";
import { collect, turns } from "../helpers/memory.ts";
import { temporaryFolder } from "../helpers/tool.ts";

function open(path: string): number {
  const descriptor = openSync(path, "r");
  onTestFinished(() => closeSync(descriptor));
  return descriptor;
}

function fileWith(content: Uint8Array): number {
  const path = join(temporaryFolder(), "content");
  writeFileSync(path, content);
  return open(path);
}

const mebibyte = 1 << 20;

test.each([0, 1, 2 * mebibyte - 1, 2 * mebibyte, 5 * mebibyte + 17])(
  "a file of %i bytes is read to its end, at any speed",
  async (size) => {
    const content = Buffer.from(Array.from({ length: size }, (_, i) => (i * 31) % 251));
    for (const holdTurns of [0, 3]) {
      const source = new FileSource(fileWith(content));
      expect(source.nature).toBe("file");
      const collected = await collect(source, holdTurns);
      expect(collected.bytes().equals(content)).toBe(true);
      expect({ ends: collected.ends, failures: collected.failures, lent: source.lent }).toEqual({
        ends: 1,
        failures: [],
        lent: 0,
      });
    }
  },
);

test("a file is read from where its descriptor is, not from its beginning", async () => {
  const descriptor = fileWith(Buffer.from("header|payload"));
  readSync(descriptor, Buffer.alloc(7));
  expect((await collect(new FileSource(descriptor))).bytes().toString()).toBe("payload");
});

test("who holds on to chunks holds up the reading: two are out at the most", async () => {
  const source = new FileSource(fileWith(Buffer.alloc(4 * mebibyte, 7)));
  const chunks: Chunk[] = [];
  let ended = false;
  source.start(
    { write: (chunk) => chunks.push(chunk), end: () => (ended = true) },
    () => expect.unreachable(),
    mebibyte,
  );
  await turns(20);
  expect([chunks.length, source.lent]).toEqual([2, 2]);
  chunks[0]?.release();
  await turns(20);
  expect([chunks.length, source.lent]).toEqual([3, 2]);
  expect(ended).toBe(false);
});

test("a source that is stopped hands out nothing more, and what is lent stays valid", async () => {
  const source = new FileSource(fileWith(Buffer.alloc(4 * mebibyte, 7)));
  const chunks: Chunk[] = [];
  source.start({ write: (chunk) => chunks.push(chunk), end: () => expect.unreachable() }, () =>
    expect.unreachable(),
  );
  while (chunks.length === 0) await turns(1);
  const count = chunks.length;
  source.stop();
  await turns(10);
  expect(chunks).toHaveLength(count);
  expect(chunks[0]?.bytes.every((byte) => byte === 7)).toBe(true);
  for (const chunk of chunks) chunk.release();
  await turns(10);
  expect(chunks).toHaveLength(count);
  expect(source.lent).toBe(0);
});

test("a source that is stopped before it began reads nothing", async () => {
  const source = new FileSource(fileWith(Buffer.from("x")));
  source.start({ write: () => expect.unreachable(), end: () => expect.unreachable() }, () =>
    expect.unreachable(),
  );
  source.stop();
  await turns(5);
});

test.skipIf(process.platform === "win32")("a directory is a failure: EISDIR", async () => {
  const { frames, ends, failures } = await collect(new FileSource(open(temporaryFolder())));
  expect({ frames, ends }).toEqual({ frames: [], ends: 0 });
  expect(failures).toMatchObject([{ code: "EISDIR" }]);
});

test("a descriptor that is not readable is a failure: EBADF", async () => {
  const descriptor = openSync(join(temporaryFolder(), "written"), "w");
  onTestFinished(() => closeSync(descriptor));
  const { failures } = await collect(new FileSource(descriptor));
  expect(failures).toMatchObject([{ code: process.platform === "win32" ? "EPERM" : "EBADF" }]);
});

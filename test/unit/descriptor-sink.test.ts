import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { writeLater } from "../../src/endpoints/stdout.ts";
import { DescriptorSink, type WriteLater } from "../../src/flow/descriptor-sink.ts";
import { turns } from "../helpers/memory.ts";
import { temporaryFolder } from "../helpers/tool.ts";

function open(path: string, flags: string | number): number {
  const descriptor = openSync(path, flags);
  onTestFinished(() => closeSync(descriptor));
  return descriptor;
}

/** A sink that is open, and what it has told. */
function openSink(descriptor: number, later?: WriteLater) {
  const sink = new DescriptorSink(descriptor, undefined, later);
  const told = { finished: 0, failures: [] as unknown[] };
  sink.open(
    () => told.finished++,
    (error) => told.failures.push(error),
  );
  const releases: number[] = [];
  const chunkOf = (bytes: Buffer) => {
    const index = releases.push(0) - 1;
    const release = () => releases.splice(index, 1, (releases[index] ?? 0) + 1);
    return { bytes, release };
  };
  const write = (bytes: Buffer) => sink.write(chunkOf(bytes));
  const writeMany = (all: Buffer[]) => sink.writeMany(all.map(chunkOf));
  return { sink, told, releases, write, writeMany };
}

test("chunks are in the file, counted and released when write returns", () => {
  const path = join(temporaryFolder(), "out");
  const { sink, told, releases, write } = openSink(open(path, "w"));
  write(Buffer.from("first "));
  expect([sink.delivered, sink.taken, releases]).toEqual([6, 6, [1]]);
  write(Buffer.alloc(0));
  write(Buffer.from("second"));
  expect(readFileSync(path, "utf8")).toBe("first second");
  expect([sink.delivered, sink.taken, releases]).toEqual([12, 12, [1, 1, 1]]);
  expect(told).toEqual({ finished: 0, failures: [] });
  sink.end();
  expect(told).toEqual({ finished: 1, failures: [] });
});

test("a file that is opened to append keeps what it has", () => {
  const path = join(temporaryFolder(), "out");
  writeFileSync(path, "old ");
  const { sink, write } = openSink(open(path, "a"));
  write(Buffer.from("new"));
  expect(readFileSync(path, "utf8")).toBe("old new");
  expect(sink.delivered).toBe(3);
});

test("a descriptor that cannot be written is one failure, and everything is released", () => {
  const path = join(temporaryFolder(), "in");
  writeFileSync(path, "content");
  const { sink, told, releases, write } = openSink(open(path, "r"));
  write(Buffer.from("a"));
  write(Buffer.from("b"));
  sink.end();
  expect(told.failures).toMatchObject([{ code: process.platform === "win32" ? "EPERM" : "EBADF" }]);
  expect([told.finished, sink.delivered, releases]).toEqual([0, 0, [1, 1]]);
});

describe.skipIf(process.platform !== "linux")("on Linux", () => {
  test("a full disk is a failure at once: ENOSPC, nothing delivered, everything released", () => {
    const { sink, told, releases, write } = openSink(open("/dev/full", "w"));
    write(Buffer.from("a"));
    expect(told.failures).toMatchObject([{ code: "ENOSPC" }]);
    write(Buffer.from("b"));
    sink.end();
    expect(told.failures).toHaveLength(1);
    expect([told.finished, sink.delivered, releases]).toEqual([0, 0, [1, 1]]);
  });

  const content = Buffer.from(Array.from({ length: 500_000 }, (_, i) => (i * 13) % 251));
  const pieces = [0, 1, 299_999, 300_000, 300_000, 300_512, 301_024, content.length];
  const chunks = pieces.map((end, index) => content.subarray(pieces[index - 1] ?? 0, end));

  test.each([
    ["one by one, by trying again", false, false],
    ["many at once, by trying again", true, false],
    ["one by one, by a stream", false, true],
    ["many at once, by a stream", true, true],
  ])(
    "a pipe that is full and does not block gets the rest when there is room, in order: %s",
    async (_, many, byStream) => {
      const path = join(temporaryFolder(), "pipe");
      execFileSync("mkfifo", [path]);
      const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
      const reader = open(path, O_RDONLY | O_NONBLOCK);
      const writer = openSync(path, O_WRONLY | O_NONBLOCK);
      const later = byStream ? writeLater(writer) : undefined;
      const { sink, told, releases, write, writeMany } = openSink(writer, later);
      if (many) writeMany(chunks);
      else for (const chunk of chunks) write(chunk);
      sink.end();
      // Some of the first large chunk is taken, and counted; the rest waits.
      expect(sink.delivered).toBeGreaterThan(0);
      expect(sink.delivered).toBeLessThan(300_000);
      expect([told.finished, releases]).toEqual([0, [1, 1, 0, 0, 0, 0, 0, 0]]);
      const parts: Buffer[] = [];
      for (let count = 0; count < content.length;) {
        const buffer = Buffer.alloc(64 * 1024);
        try {
          const length = readSync(reader, buffer, 0, buffer.length, null);
          parts.push(buffer.subarray(0, length));
          count += length;
        } catch (error) {
          expect(error).toMatchObject({ code: "EAGAIN" });
        }
        await turns(1);
      }
      while (told.finished === 0) await turns(1);
      expect(Buffer.concat(parts).equals(content)).toBe(true);
      expect(sink.delivered).toBe(content.length);
      expect([told, releases]).toEqual([{ finished: 1, failures: [] }, chunks.map(() => 1)]);
    },
  );

  test("the reader of a full pipe that leaves is a failure: EPIPE, and everything is released", async () => {
    const path = join(temporaryFolder(), "pipe");
    execFileSync("mkfifo", [path]);
    const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
    const reader = openSync(path, O_RDONLY | O_NONBLOCK);
    const writer = openSync(path, O_WRONLY | O_NONBLOCK);
    const { sink, told, releases, writeMany } = openSink(writer, writeLater(writer));
    writeMany(chunks);
    sink.end();
    closeSync(reader);
    while (told.failures.length === 0) await turns(1);
    expect(told.failures).toMatchObject([{ code: "EPIPE" }]);
    expect([told.finished, releases]).toEqual([0, chunks.map(() => 1)]);
  });
});

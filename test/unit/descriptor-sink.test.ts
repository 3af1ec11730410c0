import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
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

  /** A full pipe is looked at again for three turns: then the sink waits for it. */
  const turnsOfTrying = 3;

  /** A pipe that does not block, and how a sink is to write to it once it is full. */
  function pipe(byStream: boolean) {
    const path = join(temporaryFolder(), "pipe");
    execFileSync("mkfifo", [path]);
    const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
    const reader = openSync(path, O_RDONLY | O_NONBLOCK);
    const writer = openSync(path, O_WRONLY | O_NONBLOCK);
    const later = byStream ? vi.fn(writeLater(writer)) : undefined;
    return { reader, writer, later };
  }

  /** What is in a pipe, 64 KiB at most. */
  function readSome(reader: number): Buffer {
    const buffer = Buffer.alloc(64 * 1024);
    try {
      return buffer.subarray(0, readSync(reader, buffer, 0, buffer.length, null));
    } catch (error) {
      expect(error).toMatchObject({ code: "EAGAIN" });
      return Buffer.alloc(0);
    }
  }

  /** Reads until the sink has ended, in rests that are longer than it tries by itself. */
  async function readSlowly(
    reader: number,
    told: { finished: number; failures: unknown[] },
  ): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (;;) {
      const over = told.finished + told.failures.length > 0;
      const part = readSome(reader);
      parts.push(part);
      if (over && part.length === 0) return Buffer.concat(parts);
      await turns(turnsOfTrying + 2);
    }
  }

  test.each([
    ["one by one, by trying again", false, false],
    ["many at once, by trying again", true, false],
    ["one by one, by a stream", false, true],
    ["many at once, by a stream", true, true],
  ])(
    "a pipe that is full and does not block gets the rest when there is room, in order: %s",
    async (_, many, byStream) => {
      const { reader, writer, later } = pipe(byStream);
      const { sink, told, releases, write, writeMany } = openSink(writer, later);
      if (many) writeMany(chunks);
      else for (const chunk of chunks) write(chunk);
      sink.end();
      // Some of the first large chunk is taken, and counted; the rest waits.
      expect(sink.delivered).toBeGreaterThan(0);
      expect(sink.delivered).toBeLessThan(300_000);
      expect([told.finished, releases]).toEqual([0, [1, 1, 0, 0, 0, 0, 0, 0]]);
      expect((await readSlowly(reader, told)).equals(content)).toBe(true);
      expect(sink.delivered).toBe(content.length);
      expect([told, releases]).toEqual([{ finished: 1, failures: [] }, chunks.map(() => 1)]);
      if (later !== undefined) expect(later.mock.calls.length).toBeGreaterThan(1);
    },
  );

  test("a reader that is at work is not waited for by a stream: the sink looks again by itself", async () => {
    const { reader, writer, later } = pipe(true);
    const { sink, told, write } = openSink(writer, later);
    for (const chunk of chunks) write(chunk);
    sink.end();
    const parts: Buffer[] = [];
    while (told.finished === 0) {
      parts.push(readSome(reader));
      await turns(1);
    }
    parts.push(readSome(reader));
    expect(Buffer.concat(parts).equals(content)).toBe(true);
    expect(later).not.toHaveBeenCalled();
  });

  test("the reader of a full pipe that leaves is a failure: EPIPE, and everything is released", async () => {
    const { reader, writer, later } = pipe(true);
    const { sink, told, releases, writeMany } = openSink(writer, later);
    writeMany(chunks);
    sink.end();
    await turns(turnsOfTrying + 2);
    expect(later).toHaveBeenCalledOnce();
    expect(told.failures).toEqual([]);
    const { delivered } = sink;
    closeSync(reader);
    while (told.failures.length === 0) await turns(1);
    expect(told.failures).toMatchObject([{ code: "EPIPE" }]);
    expect([told.finished, releases]).toEqual([0, chunks.map(() => 1)]);
    expect(sink.delivered).toBe(delivered);
  });

  test.each([
    ["taken at once, by trying again", 10, false],
    ["taken at once, by a stream", 10, true],
    ["taken once there is room, by trying again", 300_000, false],
    ["taken once there is room, by a stream", 300_000, true],
  ])(
    "a chunk whose release writes the next one, larger than the pipe, is followed by it once: %s",
    async (_, firstBytes, byStream) => {
      const { reader, writer, later } = pipe(byStream);
      const sink = new DescriptorSink(writer, undefined, later);
      const told = { finished: 0, failures: [] as unknown[] };
      sink.open(
        () => told.finished++,
        (error) => told.failures.push(error),
      );
      const parts = [
        content.subarray(0, firstBytes),
        content.subarray(firstBytes, firstBytes + 7),
        Buffer.from(content.subarray(0, 400_000)).reverse(),
        content.subarray(0, 70_000),
      ];
      const releases = parts.map(() => 0);
      const writePart = (index: number) => {
        const bytes = parts[index];
        if (bytes === undefined) return;
        const release = () => {
          releases[index] = (releases[index] ?? 0) + 1;
          // The second was written behind the first: the ones after it are written by its release.
          if (index >= 1) writePart(index + 1);
          if (index === parts.length - 1) sink.end();
        };
        sink.write({ bytes, release });
      };
      writePart(0);
      writePart(1);
      const read = await readSlowly(reader, told);
      const expected = Buffer.concat(parts);
      expect(read.length).toBe(expected.length);
      expect(read.equals(expected)).toBe(true);
      expect(sink.delivered).toBe(expected.length);
      expect([told, releases]).toEqual([{ finished: 1, failures: [] }, [1, 1, 1, 1]]);
      if (later !== undefined) expect(later).toHaveBeenCalled();
    },
  );
});

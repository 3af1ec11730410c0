import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { DescriptorSink } from "../../src/flow/descriptor-sink.ts";
import { turns } from "../helpers/memory.ts";
import { temporaryFolder } from "../helpers/tool.ts";

function open(path: string, flags: string | number): number {
  const descriptor = openSync(path, flags);
  onTestFinished(() => closeSync(descriptor));
  return descriptor;
}

/** A sink that is open, and what it has told. */
function openSink(descriptor: number) {
  const sink = new DescriptorSink(descriptor);
  const told = { finished: 0, failures: [] as unknown[] };
  sink.open(
    () => told.finished++,
    (error) => told.failures.push(error),
  );
  const releases: number[] = [];
  const write = (bytes: Buffer) => {
    const index = releases.push(0) - 1;
    sink.write({ bytes, release: () => releases.splice(index, 1, (releases[index] ?? 0) + 1) });
  };
  return { sink, told, releases, write };
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

  test("a pipe that is full and does not block gets the rest when there is room, in order", async () => {
    const path = join(temporaryFolder(), "pipe");
    execFileSync("mkfifo", [path]);
    const { O_NONBLOCK, O_RDWR, O_RDONLY } = constants;
    const { sink, told, releases, write } = openSink(open(path, O_RDWR | O_NONBLOCK));
    const reader = open(path, O_RDONLY | O_NONBLOCK);
    const content = Buffer.from(Array.from({ length: 500_000 }, (_, i) => (i * 13) % 251));
    write(content.subarray(0, 300_000));
    write(content.subarray(300_000));
    sink.end();
    // Some of the first chunk is taken, and counted; the rest waits.
    expect(sink.delivered).toBeGreaterThan(0);
    expect(sink.delivered).toBeLessThan(300_000);
    expect([told.finished, releases]).toEqual([0, [0, 0]]);
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
    expect([told, releases]).toEqual([{ finished: 1, failures: [] }, [1, 1]]);
  });
});

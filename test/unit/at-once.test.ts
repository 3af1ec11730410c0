import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { tryRead, tryWrite } from "../../src/flow/at-once.ts";
import { temporaryFolder } from "../helpers/tool.ts";

/** No number that anybody else would set. */
const limit = 17;

beforeEach(() => {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = limit;
  onTestFinished(() => void (Error.stackTraceLimit = before));
});

function open(path: string, flags: string | number): number {
  const descriptor = openSync(path, flags);
  onTestFinished(() => closeSync(descriptor));
  return descriptor;
}

function file(content: string): string {
  const path = join(temporaryFolder(), "file");
  writeFileSync(path, content);
  return path;
}

/** Both ends of a pipe that does not block. */
function pipe(): { reader: number; writer: number } {
  const path = join(temporaryFolder(), "pipe");
  execFileSync("mkfifo", [path]);
  const reader = open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return { reader, writer: open(path, constants.O_WRONLY | constants.O_NONBLOCK) };
}

/** What a call throws. */
function thrownBy(call: () => unknown): Error {
  try {
    call();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("it threw no error");
}

const bytes = Buffer.from("some bytes");

describe.each([
  ["one piece", (descriptor: number) => tryWrite(descriptor, bytes)],
  ["several pieces", (descriptor: number) => tryWrite(descriptor, [bytes, bytes])],
])("writing %s at once", (_, write) => {
  test("counts what the system took, and leaves Error.stackTraceLimit as it was", () => {
    const path = file("");
    const count = write(open(path, "w"));
    expect(readFileSync(path)).toHaveLength(count ?? 0);
    expect(count).toBeGreaterThanOrEqual(bytes.length);
    expect(Error.stackTraceLimit).toBe(limit);
  });

  test.skipIf(process.platform === "win32")(
    "to a pipe that is full is no error, and leaves Error.stackTraceLimit as it was",
    () => {
      const { writer } = pipe();
      let taken = 0;
      for (let count; (count = write(writer)) !== undefined;) taken += count;
      expect(taken).toBeGreaterThan(0);
      expect(Error.stackTraceLimit).toBe(limit);
    },
  );

  test("that the system refuses is an error without a stack trace, and leaves Error.stackTraceLimit as it was", () => {
    const descriptor = open(file("read only"), "r");
    const error = thrownBy(() => write(descriptor));
    expect(error).toMatchObject({ code: process.platform === "win32" ? "EPERM" : "EBADF" });
    expect(error.stack).not.toMatch(/\n\s+at /);
    expect(Error.stackTraceLimit).toBe(limit);
  });
});

describe("reading at once", () => {
  test("counts what is there, up to 0 at the end, and leaves Error.stackTraceLimit as it was", () => {
    const descriptor = open(file("content"), "r");
    const buffer = Buffer.alloc(8, ".");
    expect(tryRead(descriptor, buffer, 2, 4)).toBe(4);
    expect(buffer.toString()).toBe("..cont..");
    expect(tryRead(descriptor, buffer, 6)).toBe(2);
    expect(buffer.toString()).toBe("..conten");
    expect(tryRead(descriptor, buffer)).toBe(1);
    expect(buffer.toString()).toBe("t.conten");
    expect(tryRead(descriptor, buffer)).toBe(0);
    expect(Error.stackTraceLimit).toBe(limit);
  });

  test.skipIf(process.platform === "win32")(
    "of a pipe that is empty is no error, and leaves Error.stackTraceLimit as it was",
    () => {
      expect(tryRead(pipe().reader, Buffer.alloc(8))).toBeUndefined();
      expect(Error.stackTraceLimit).toBe(limit);
    },
  );

  test("that the system refuses is an error without a stack trace, and leaves Error.stackTraceLimit as it was", () => {
    const descriptor = open(file(""), "w");
    const error = thrownBy(() => tryRead(descriptor, Buffer.alloc(8)));
    expect(error).toMatchObject({ code: process.platform === "win32" ? "EPERM" : "EBADF" });
    expect(error.stack).not.toMatch(/\n\s+at /);
    expect(Error.stackTraceLimit).toBe(limit);
  });
});

import { createHash, randomBytes } from "node:crypto";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { temporaryFolder } from "./tool.ts";

export const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

/** Random bytes with their hash, made once and shared by the tests of a file. */
export interface Payload {
  readonly bytes: Buffer;
  readonly sha256: string;
}

export function payload(length: number): Payload {
  const bytes = randomBytes(length);
  return { bytes, sha256: sha256(bytes) };
}

/** A descriptor, open until the end of the test, to read these bytes from a regular file. */
export function fileWith(bytes: Buffer | string): number {
  const path = join(temporaryFolder(), "input");
  writeFileSync(path, bytes);
  return opened(path, "r");
}

/** A descriptor, open until the end of the test, to write a new regular file. */
export function newFile(): { descriptor: number; contents: () => Buffer } {
  const path = join(temporaryFolder(), "output");
  return { descriptor: opened(path, "w"), contents: () => readFileSync(path) };
}

function opened(path: string, flags: "r" | "w"): number {
  const descriptor = openSync(path, flags);
  onTestFinished(() => closeSync(descriptor));
  return descriptor;
}

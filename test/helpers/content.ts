import { createHash, randomBytes } from "node:crypto";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { temporaryFolder } from "./tool.ts";

export const mebibyte = 1024 * 1024;

export const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

/** Bytes that cannot be mistaken for others, and the hash to know them by. */
export interface Content {
  readonly bytes: Buffer;
  readonly hash: string;
}

export function content(size: number): Content {
  const bytes = randomBytes(size);
  return { bytes, hash: sha256(bytes) };
}

/** A descriptor of a regular file that holds these bytes, to hand over as stdin. */
export function fileWith(bytes: Buffer | string): number {
  const path = join(temporaryFolder(), "input");
  writeFileSync(path, bytes);
  return descriptorOf(path, "r");
}

/** A descriptor of a new regular file, to hand over as stdout, and what it holds later. */
export function newFile(): { descriptor: number; contents: () => Buffer } {
  const path = join(temporaryFolder(), "output");
  return { descriptor: descriptorOf(path, "w"), contents: () => readFileSync(path) };
}

/** An open descriptor, closed at the end of the test. */
export function descriptorOf(path: string, flags: string): number {
  const descriptor = openSync(path, flags);
  onTestFinished(() => closeSync(descriptor));
  return descriptor;
}

/** Lets time pass, where silence itself is what is tested. */
export function silence(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

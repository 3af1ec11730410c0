import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  createReadStream,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
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

/** A file of so many bytes, in blocks of 8 MiB of which no two are alike, and its hash. */
export function largeFile(size: number): { path: string; hash: string } {
  const path = join(temporaryFolder(), "large");
  const block = randomBytes(8 * mebibyte);
  const hash = createHash("sha256");
  const file = openSync(path, "w");
  for (let at = 0; at < size; at += block.length) {
    block.writeBigUInt64LE(BigInt(at));
    hash.update(block);
    writeSync(file, block);
  }
  closeSync(file);
  return { path, hash: hash.digest("hex") };
}

export async function hashOfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: mebibyte }), hash);
  return hash.digest("hex");
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

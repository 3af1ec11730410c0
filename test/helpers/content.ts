import { createHash, randomBytes } from "node:crypto";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { temporaryFolder } from "./tool.ts";

export const kibibyte = 1024;
export const mebibyte = 1024 * kibibyte;

/** Bytes that cannot be mistaken for others, and the hash to know them by. */
export function content(size: number): { bytes: Buffer; hash: string } {
  const bytes = randomBytes(size);
  return { bytes, hash: hashOf(bytes) };
}

export function hashOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A descriptor of a regular file that holds these bytes, to hand over as stdin. */
export function fileWith(bytes: Buffer | string): number {
  const path = join(temporaryFolder(), "content");
  writeFileSync(path, bytes);
  return descriptorOf(path, "r");
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

import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, unlinkSync } from "node:fs";
import { once } from "node:events";
import { Socket } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { temporaryFolder } from "./tool.ts";

/** A pipe as a shell makes it; child_process makes socket pairs. */
export interface Pipe {
  /** Our reading end, which does not read before it is told to. */
  readonly reader: Socket;
  /** The descriptor to hand to a child as its stdout. */
  readonly writer: number;
  /** Closes the writing end here, so that only the child has it. */
  handedOver(): void;
}

export function systemPipe(): Pipe {
  const path = join(temporaryFolder(), "pipe");
  execFileSync("mkfifo", [path]);
  const reader = new Socket({
    fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK),
    readable: true,
    writable: false,
  });
  reader.pause();
  const writer = openSync(path, constants.O_WRONLY);
  unlinkSync(path);
  let open = true;
  const handedOver = () => {
    if (open) closeSync(writer);
    open = false;
  };
  onTestFinished(() => {
    handedOver();
    reader.destroy();
  });
  return { reader, writer, handedOver };
}

/** Reads a pipe from now on, to its end. */
export async function readToEnd({ reader }: Pipe): Promise<Buffer> {
  const parts: Buffer[] = [];
  reader.on("data", (part: Buffer) => parts.push(part));
  const over = once(reader, "end");
  reader.resume();
  await over;
  return Buffer.concat(parts);
}

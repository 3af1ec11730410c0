import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { temporaryFolder } from "./tool.ts";

/** Something to start a program on as its stdin. */
export interface Input {
  readonly descriptor: number;
  /** Gives the program text to read, where it is not there already. */
  send(text: string): void;
  /** Ends it, where it does not end by itself: closes a pipe, types ^D on a terminal. */
  end(): void;
}

const nothing = (): void => undefined;

function opened(path: string, flags: number): number {
  const descriptor = openSync(path, flags);
  onTestFinished(() => {
    try {
      closeSync(descriptor);
    } catch {
      // The test closed it itself.
    }
  });
  return descriptor;
}

/** A regular file. */
export function fileInput(content: string | Buffer): Input {
  const path = join(temporaryFolder(), "input");
  writeFileSync(path, content);
  return { descriptor: opened(path, constants.O_RDONLY), send: nothing, end: nothing };
}

/** What has not been read of a file that a program was started on. */
export function unread({ descriptor }: Input): string {
  const rest = Buffer.alloc(1 << 16);
  return rest.toString("utf8", 0, readSync(descriptor, rest, 0, rest.length, null));
}

export function nullInput(): Input {
  return { descriptor: opened("/dev/null", constants.O_RDONLY), send: nothing, end: nothing };
}

/** A pipe as a shell makes it; Node's own "pipe" is a socket. */
export function pipeInput(): Input {
  const path = join(temporaryFolder(), "pipe");
  execFileSync("mkfifo", [path]);
  // Opened for both first, because each end alone would wait for the other.
  const both = openSync(path, constants.O_RDWR);
  const descriptor = opened(path, constants.O_RDONLY);
  const writer = opened(path, constants.O_WRONLY);
  closeSync(both);
  return {
    descriptor,
    send: (text) => void writeSync(writer, text),
    end: () => closeSync(writer),
  };
}

/** Whether this system has the program that gives tests a terminal (util-linux). */
export const hasTerminal = /util-linux/.test(
  spawnSync("script", ["--version"], { encoding: "utf8" }).stdout ?? "",
);

/** A terminal, at which the test types. */
export async function terminalInput(): Promise<Input> {
  const holder = spawn("script", ["-qec", "tty; exec sleep 1000", "/dev/null"], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  onTestFinished(() => void holder.kill("SIGKILL"));
  let said = "";
  while (!said.includes("\n")) said += String((await once(holder.stdout, "data"))[0]);
  const descriptor = opened(said.trim(), constants.O_RDWR | constants.O_NOCTTY);
  return {
    descriptor,
    send: (text) => void holder.stdin.write(text),
    end: () => void holder.stdin.write("\u0004"),
  };
}

import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Readable, Writable } from "node:stream";
import { onTestFinished } from "vitest";
import type { Event, EventName } from "../../src/events.ts";

export const bin = resolve(import.meta.dirname, "../../bin/portcat.js");

export interface StartOptions {
  /** What stdin is: "pipe" stays open until `stdin.end()`; a number is an open descriptor. */
  stdin?: "pipe" | "null" | number;
  /** What stdout is; "pipe" collects it. */
  stdout?: "pipe" | "ignore" | number;
  /** Descriptors to hand over as 3 and up. */
  descriptors?: number[];
  env?: Record<string, string>;
  uid?: number;
  cwd?: string;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: Buffer;
  stderr: string;
}

/** A started program, killed at the end of the test if it has not ended by then. */
export class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout: Buffer = Buffer.alloc(0);
  stderr = "";
  readonly #stdoutChunks: Buffer[] = [];
  #woken: () => void = () => undefined;

  constructor(command: string, args: readonly string[], options: StartOptions = {}) {
    const stdin = options.stdin === "null" ? "ignore" : (options.stdin ?? "pipe");
    const stdio: StdioOptions = [
      stdin,
      options.stdout ?? "pipe",
      "pipe",
      ...(options.descriptors ?? []),
    ];
    this.child = spawn(command, args, {
      stdio,
      env: { ...process.env, NO_COLOR: "1", ...options.env },
      ...(options.uid !== undefined && { uid: options.uid }),
      ...(options.cwd !== undefined && { cwd: options.cwd }),
    });
    this.child.stdin?.on("error", () => undefined);
    this.child.stdout?.on("data", (chunk: Buffer) => {
      this.#stdoutChunks.push(chunk);
      this.#woken();
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
      this.#woken();
    });
    this.ended = once(this.child, "close").then(([code, signal]) => {
      this.stdout = Buffer.concat(this.#stdoutChunks);
      this.#woken();
      return {
        code: code as number | null,
        signal: signal as NodeJS.Signals | null,
        stdout: this.stdout,
        stderr: this.stderr,
      };
    });
    onTestFinished(() => {
      if (this.child.exitCode === null && this.child.signalCode === null)
        this.child.kill("SIGKILL");
    });
  }

  get stdin(): Writable {
    if (!this.child.stdin) throw new Error("stdin is not a pipe");
    return this.child.stdin;
  }

  get output(): Readable {
    if (!this.child.stdout) throw new Error("stdout is not a pipe");
    return this.child.stdout;
  }

  received(): Buffer {
    return Buffer.concat(this.#stdoutChunks);
  }

  /** Waits until `look` finds something in what the program has said so far. */
  async until<T>(look: () => T | undefined | false): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined && found !== false) return found;
      if (this.child.exitCode !== null && this.child.stderr?.readableEnded !== false)
        throw new Error(
          `it ended (${String(this.child.exitCode)}) before that; stderr:\n${this.stderr}`,
        );
      await new Promise<void>((resolve) => (this.#woken = resolve));
    }
  }

  /** Waits for words on stderr. */
  says(pattern: RegExp): Promise<RegExpExecArray> {
    return this.until(() => pattern.exec(this.stderr) ?? undefined);
  }

  /** Waits for text on stdout. */
  outputs(text: string): Promise<true> {
    return this.until(() => this.received().includes(text) || undefined);
  }
}

type EventOf<Name extends EventName> = Extract<Event, { event: Name }> & { time: string };

/** portcat with --json: its events can be waited for. */
export class Tool extends Running {
  constructor(args: readonly string[], options: StartOptions = {}) {
    super(process.execPath, [bin, ...args, "--json"], options);
  }

  events(): (Event & { time: string })[] {
    const lines = this.stderr.split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Event & { time: string });
  }

  all<Name extends EventName>(name: Name): EventOf<Name>[] {
    return this.events().filter((event): event is EventOf<Name> => event.event === name);
  }

  /** Waits for the nth event of that name. */
  event<Name extends EventName>(name: Name, nth = 1): Promise<EventOf<Name>> {
    return this.until(() => this.all(name)[nth - 1]);
  }

  /** Waits until it listens, and tells the port. */
  async port(): Promise<number> {
    const event = await this.event("listening");
    if (event.transport === "unix") throw new Error("a UNIX socket has no port");
    return event.port;
  }
}

/** Starts portcat as a person does: lines on stderr. */
export function portcat(args: readonly string[], options?: StartOptions): Running {
  return new Running(process.execPath, [bin, ...args], options);
}

/** A folder of this test's own. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "portcat-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

import { fstatSync } from "node:fs";
import { tryWrite } from "../flow/at-once.ts";
import { isTerminal, reopenWithoutBlocking, writesNothing } from "../terminal.ts";

const descriptor = 2;
/** What may wait for a reader of stderr that is slow; lines beyond are dropped, and counted. */
const mostWaitingBytes = 1 << 20;
const retryMs = 5;
/** A reader that has taken nothing for so long is stuck. */
const stuckMs = 500;
/** How long the last lines may take. */
const flushMs = 1000;

/**
 * stderr, written without ever waiting: a reader that is stuck, or a terminal that is stopped, must
 * not keep us from serving signals. A stderr that is broken is not an error of ours.
 */
export class ErrorOutput {
  /** Undefined where only Node's stream can write without blocking. */
  readonly #fd = openWithoutBlocking();
  readonly #waiting: Buffer[] = [];
  readonly #inWords: (dropped: number) => string;
  #waitingBytes = 0;
  /** When the reader last took something, or had nothing to take. */
  #movedAt = 0;
  #droppedLines = 0;
  #retry: NodeJS.Timeout | undefined;

  /** @param inWords - tells how many lines were dropped, in a line of its own */
  constructor(inWords: (dropped: number) => string) {
    this.#inWords = inWords;
  }

  /** Whether what is written now has nothing to wait for; true also where the reader is stuck. */
  get takesMore(): boolean {
    return !this.#waits() || performance.now() - this.#movedAt > stuckMs;
  }

  write(text: string): void {
    if (!this.#waits()) this.#movedAt = performance.now();
    if (this.#fd === undefined) return this.#writeToStream(text);
    const bytes = Buffer.from(text);
    if (this.#waiting.length > 0 && this.#waitingBytes + bytes.length > mostWaitingBytes)
      return this.#drop(text);
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#retry === undefined) this.#writeWaiting();
  }

  /** Waits until all is written, for a second at most. */
  async flush(): Promise<void> {
    for (let waitedMs = 0; this.#waits() && waitedMs < flushMs; waitedMs += retryMs)
      await new Promise((resolve) => setTimeout(resolve, retryMs));
  }

  #waits(): boolean {
    return (
      this.#waiting.length > 0 || (this.#fd === undefined && process.stderr.writableLength > 0)
    );
  }

  #writeToStream(text: string): void {
    const { stderr } = process;
    if (stderr.listenerCount("error") === 0) stderr.on("error", () => undefined);
    if (stderr.writableLength > mostWaitingBytes) return this.#drop(text);
    stderr.write(text, () => {
      this.#movedAt = performance.now();
      if (stderr.writableLength === 0) this.#tellDropped();
    });
  }

  #drop(text: string): void {
    this.#droppedLines += text.split("\n").length - 1;
  }

  #tellDropped(): void {
    const count = this.#droppedLines;
    this.#droppedLines = 0;
    if (count > 0) this.write(this.#inWords(count));
  }

  #writeWaiting(): void {
    this.#retry = undefined;
    for (let bytes = this.#waiting[0]; bytes !== undefined; bytes = this.#waiting[0]) {
      let count: number | undefined;
      try {
        count = tryWrite(this.#fd ?? descriptor, bytes);
      } catch {
        return this.#forget();
      }
      if (count === undefined) {
        this.#retry = setTimeout(() => this.#writeWaiting(), retryMs).unref();
        return;
      }
      this.#movedAt = performance.now();
      this.#waitingBytes -= count;
      if (count === bytes.length) this.#waiting.shift();
      else this.#waiting[0] = bytes.subarray(count);
    }
    this.#tellDropped();
  }

  #forget(): void {
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
  }
}

/** Our own non-blocking opening of the pipe or terminal that stderr is, where the system has such. */
function openWithoutBlocking(): number | undefined {
  try {
    const stats = fstatSync(descriptor);
    if (stats.isSocket()) return writesNothing(process.stderr) ? descriptor : undefined;
    const terminal = isTerminal(descriptor);
    if (!terminal && !stats.isFIFO()) return descriptor;
    return reopenWithoutBlocking(descriptor) ?? (terminal ? descriptor : undefined);
  } catch {
    return undefined;
  }
}

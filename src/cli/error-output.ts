import { fstatSync } from "node:fs";
import { tryWrite } from "../flow/at-once.ts";
import { isTerminal, reopenWithoutBlocking, writesNothing } from "../terminal.ts";

const descriptor = 2;
/** What may wait for a reader of stderr that is slow; lines beyond are dropped, and counted. */
const mostWaitingBytes = 1 << 20;
/** The same once the run has been ended. */
const mostLeftBytes = 16 * 1024;
/** Of a socket that has messages, each is one write. */
const mostAtOnceBytes = 32 * 1024;
const shortestRetryMs = 1;
const longestRetryMs = 16;
/** A reader that has taken nothing for so long is stuck. */
const stuckMs = 1000;
/** How long the last lines of a run that has been ended may take. */
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
  #most = mostWaitingBytes;
  #waitingBytes = 0;
  /** When the reader last took something, or had nothing to take. */
  #movedAt = 0;
  #droppedLines = 0;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = shortestRetryMs;

  /** @param inWords - tells how many lines were dropped, in a line of its own */
  constructor(inWords: (dropped: number) => string) {
    this.#inWords = inWords;
  }

  /** Whether what is written now has nothing to wait for; true also where the reader is stuck. */
  get takesMore(): boolean {
    return !this.#waits() || performance.now() - this.#movedAt > stuckMs;
  }

  /** @param essential - of a slow reader's lines, these are the last to be dropped */
  write(text: string, essential = true): void {
    if (!this.#waits()) this.#movedAt = performance.now();
    const bytes = Buffer.from(text);
    const most = essential ? 2 * mostWaitingBytes : this.#most;
    if (this.#waits() && this.#unwritten() + bytes.length > most) return this.#drop(bytes);
    if (this.#fd === undefined) return this.#writeToStream(bytes);
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#retry === undefined) this.#writeWaiting();
  }

  /** The run has been ended: no more than what fits into its last second is to wait. */
  hurry(): void {
    this.#most = mostLeftBytes;
  }

  /** Waits until all is written, for as long as it is read; for a second once the run has been ended. */
  async flush(): Promise<void> {
    const begun = performance.now();
    const isLate = () => {
      const now = performance.now();
      if (now - begun < flushMs) return false;
      return this.#most === mostLeftBytes || now - this.#movedAt > stuckMs;
    };
    while (this.#waits() && !isLate())
      await new Promise((resolve) => setTimeout(resolve, shortestRetryMs));
  }

  #waits(): boolean {
    return (
      this.#waiting.length > 0 || (this.#fd === undefined && process.stderr.writableLength > 0)
    );
  }

  #unwritten(): number {
    return this.#fd === undefined ? process.stderr.writableLength : this.#waitingBytes;
  }

  #writeToStream(bytes: Buffer): void {
    const { stderr } = process;
    if (stderr.listenerCount("error") === 0) stderr.on("error", () => undefined);
    stderr.write(bytes, () => {
      this.#movedAt = performance.now();
      if (stderr.writableLength === 0) this.#tellDropped();
    });
  }

  #drop(bytes: Buffer): void {
    for (let at = bytes.indexOf("\n"); at >= 0; at = bytes.indexOf("\n", at + 1))
      this.#droppedLines++;
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
        count = tryWrite(this.#fd ?? descriptor, bytes.subarray(0, mostAtOnceBytes));
      } catch {
        return this.#dropWaiting();
      }
      if (count === undefined) {
        this.#retry = setTimeout(() => this.#writeWaiting(), this.#retryMs).unref();
        this.#retryMs = Math.min(2 * this.#retryMs, longestRetryMs);
        return;
      }
      this.#retryMs = shortestRetryMs;
      this.#movedAt = performance.now();
      this.#waitingBytes -= count;
      if (count === bytes.length) this.#waiting.shift();
      else this.#waiting[0] = bytes.subarray(count);
    }
    this.#tellDropped();
  }

  /** A reader that has left misses nothing; a disk that is full may have room again. */
  #dropWaiting(): void {
    for (const bytes of this.#waiting.splice(0)) this.#drop(bytes);
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

import { fstatSync } from "node:fs";
import { tryWrite } from "../flow/at-once.ts";
import { isTerminal, reopenWithoutBlocking } from "../terminal.ts";

const descriptor = 2;
/** What may wait for a reader of stderr that is slow; lines beyond are dropped, and counted. */
const mostWaitingBytes = 1 << 20;
const retryMs = 20;
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
  #waitingBytes = 0;
  #dropped = 0;
  #retry: NodeJS.Timeout | undefined;

  write(text: string): void {
    if (this.#fd === undefined) return this.#writeToStream(text);
    const bytes = Buffer.from(text);
    if (this.#waitingBytes + bytes.length > mostWaitingBytes) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#retry === undefined) this.#writeWaiting();
  }

  /** Waits until all is written, for a second at most. */
  async flush(): Promise<void> {
    const waits = () =>
      this.#waiting.length > 0 || (this.#fd === undefined && process.stderr.writableLength > 0);
    for (let waitedMs = 0; waits() && waitedMs < flushMs; waitedMs += retryMs)
      await new Promise((resolve) => setTimeout(resolve, retryMs));
  }

  #writeToStream(text: string): void {
    if (process.stderr.listenerCount("error") === 0) process.stderr.on("error", () => undefined);
    if (process.stderr.writableLength > mostWaitingBytes) this.#dropped++;
    else process.stderr.write(`${this.#droppedLines()}${text}`);
  }

  #droppedLines(): string {
    const count = this.#dropped;
    this.#dropped = 0;
    if (count === 0) return "";
    return `portcat: ${String(count)} lines were dropped here, stderr was not read\n`;
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
      this.#waitingBytes -= count;
      if (count === bytes.length) this.#waiting.shift();
      else this.#waiting[0] = bytes.subarray(count);
    }
    if (this.#dropped > 0) this.write(this.#droppedLines());
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
    if (stats.isSocket()) return undefined;
    const terminal = isTerminal(descriptor);
    if (!terminal && !stats.isFIFO()) return descriptor;
    return reopenWithoutBlocking(descriptor) ?? (terminal ? descriptor : undefined);
  } catch {
    return undefined;
  }
}

import { ExitCode, PortcatError } from "../errors.ts";
import type { Receiver, Source } from "./chunk.ts";

export interface SubscriptionLimits {
  /** Bytes that may wait for one subscriber; while one has that many, the source waits. */
  readonly queueBytes: number;
  /** A subscriber whose queue is full and that takes not a byte for this long is given up. */
  readonly stallMs: number;
}

/** How a subscriber's peer gets on. */
export interface Progress {
  /** Bytes it has taken so far; also of a chunk under way. */
  readonly taken: () => number;
  /** Whether there is anything that it could take. */
  readonly waiting: () => boolean;
}

/** One subscriber's source: what is waiting for it, and whether it is stuck. */
export class Subscription implements Source {
  readonly nature;
  #lent = 0;
  readonly #name: string;
  readonly #limits: SubscriptionLimits;
  readonly #progress: Progress;
  readonly #more: () => boolean;
  readonly #join: (subscription: Subscription) => void;
  readonly #leave: (subscription: Subscription) => void;
  #queuedBytes = 0;
  #to: Receiver | undefined;
  #failed: (error: unknown) => void = () => undefined;
  #whenRoom: (() => void) | undefined;
  #stalling: NodeJS.Timeout | undefined;

  constructor(
    name: string,
    nature: Source["nature"],
    limits: SubscriptionLimits,
    progress: Progress,
    more: () => boolean,
    join: (subscription: Subscription) => void,
    leave: (subscription: Subscription) => void,
  ) {
    this.#name = name;
    this.nature = nature;
    this.#limits = limits;
    this.#progress = progress;
    this.#more = more;
    this.#join = join;
    this.#leave = leave;
  }

  /** What waits for others first counts too: it is read, and comes to this subscriber yet. */
  get lent(): number {
    return this.#lent + (this.#more() ? 1 : 0);
  }

  start(to: Receiver, failed: (error: unknown) => void): void {
    this.#to = to;
    this.#failed = failed;
    this.#join(this);
  }

  stop(): void {
    this.#to = undefined;
    this.#whenRoom = undefined;
    this.#unwatch();
    this.#leave(this);
  }

  /** Whether the queue is full; if it is, `whenRoom` is called once it no longer is. */
  full(whenRoom: () => void): boolean {
    if (!this.#isFull()) return false;
    this.#whenRoom = whenRoom;
    return true;
  }

  write(bytes: Buffer): void {
    if (this.#to === undefined) return;
    this.#lent++;
    this.#queuedBytes += bytes.length;
    this.#to.write({
      bytes,
      release: () => {
        this.#lent--;
        this.#queuedBytes -= bytes.length;
        if (this.#queuedBytes === 0) this.#unwatch();
        this.#room();
      },
    });
  }

  end(): void {
    const to = this.#to;
    this.stop();
    to?.end();
  }

  fail(error: unknown): void {
    const failed = this.#to && this.#failed;
    this.stop();
    failed?.(error);
  }

  #isFull(): boolean {
    return this.#queuedBytes >= this.#limits.queueBytes;
  }

  #room(): void {
    const whenRoom = this.#whenRoom;
    if (whenRoom === undefined || this.#isFull()) return;
    this.#whenRoom = undefined;
    this.#unwatch();
    whenRoom();
  }

  #unwatch(): void {
    clearInterval(this.#stalling);
    this.#stalling = undefined;
  }

  /**
   * Gives the subscriber up once its queue is full and nothing was taken of it for the stall time,
   * which runs from now on, whoever it is that the source waits for: of several that are stuck the
   * last must not cost everybody another stall time.
   */
  watch(): void {
    if (this.#stalling !== undefined || this.#queuedBytes === 0) return;
    const { stallMs } = this.#limits;
    let taken: number | undefined;
    let takenAt = performance.now();
    this.#stalling = setInterval(() => {
      // What waits for a stage of ours, a delay between lines, is not the peer's fault.
      const now = this.#progress.waiting() ? this.#progress.taken() : NaN;
      if (now !== taken) {
        if (taken !== undefined) takenAt = performance.now();
        taken = now;
      } else if (this.#isFull() && performance.now() - takenAt >= stallMs) {
        const seconds = String(stallMs / 1000);
        this.fail(
          new PortcatError(
            `${this.#name} has not taken a byte for ${seconds} s; ${String(this.#queuedBytes)} bytes for it are dropped`,
            { exitCode: ExitCode.broken, code: "ESTALLED" },
          ),
        );
      }
    }, stallMs / 4);
  }
}

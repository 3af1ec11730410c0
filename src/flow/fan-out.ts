import { ExitCode, PortcatError } from "../errors.ts";
import type { Chunk, Receiver, Source } from "./chunk.ts";

/** How much of a chunk is copied into the queues at a time, so that a queue's bound is nearly exact. */
const sliceSize = 64 * 1024;

export interface FanOutLimits {
  /** Bytes that may wait for one subscriber; while one has that many, the source waits. */
  readonly queueBytes: number;
  /** A subscriber whose queue is full and that takes not a byte for this long is given up. */
  readonly stallMs: number;
}

/**
 * One source for many subscribers: each gets every byte from when it came, at its own speed, within
 * a bounded queue. The source is read while there is a subscriber, at the speed of the slowest.
 */
export class FanOut {
  readonly #source: Source;
  readonly #limits: FanOutLimits;
  readonly #subscribers = new Set<Subscription>();
  readonly #chunks: Chunk[] = [];
  #copied = 0;
  #pumping = false;
  #again = false;
  #started = false;
  #ended = false;
  #error: unknown;

  constructor(source: Source, limits: FanOutLimits) {
    this.#source = source;
    this.#limits = limits;
  }

  /**
   * A source for one more subscriber.
   *
   * @param name - the subscriber in messages
   * @param taken - bytes the subscriber's side has taken so far; also what it took of a chunk under way
   */
  subscribe(name: string, taken: () => number): Source {
    const { nature } = this.#source;
    return new Subscription(name, nature, this.#limits, taken, this.#join, this.#leave);
  }

  /** Lets go of the source. */
  stop(): void {
    this.#source.stop();
  }

  readonly #join = (subscription: Subscription): void => {
    if (this.#error !== undefined) return subscription.fail(this.#error);
    if (this.#ended && this.#chunks.length === 0) return subscription.end();
    this.#subscribers.add(subscription);
    if (this.#started) return this.#pump();
    this.#started = true;
    this.#source.start(
      {
        write: (chunk) => {
          this.#chunks.push(chunk);
          this.#pump();
        },
        end: () => {
          this.#ended = true;
          this.#pump();
        },
      },
      (error) => {
        this.#error = error;
        for (const each of [...this.#subscribers]) each.fail(error);
      },
    );
  };

  readonly #leave = (subscription: Subscription): void => {
    this.#subscribers.delete(subscription);
    this.#pump();
  };

  /** Hands out what there is. Whatever calls this meanwhile has it done once more, not within itself. */
  readonly #pump = (): void => {
    this.#again = true;
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#again) {
      this.#again = false;
      this.#handOut();
    }
    this.#pumping = false;
  };

  /** Copies what is there into the queues for as long as there is somebody, and room for everybody. */
  #handOut(): void {
    while (this.#subscribers.size > 0) {
      // Every one is asked, so that of several that are stuck each has its own time running.
      let full = false;
      for (const each of this.#subscribers) full = each.full(this.#pump) || full;
      if (full) return;
      const chunk = this.#chunks[0];
      if (chunk === undefined) break;
      const slice = Buffer.from(chunk.bytes.subarray(this.#copied, this.#copied + sliceSize));
      this.#copied += slice.length;
      if (this.#copied >= chunk.bytes.length) {
        this.#copied = 0;
        this.#chunks.shift();
        chunk.release();
      }
      for (const each of [...this.#subscribers]) each.write(slice);
    }
    if (this.#ended && this.#chunks.length === 0)
      for (const each of [...this.#subscribers]) each.end();
  }
}

class Subscription implements Source {
  readonly nature;
  lent = 0;
  readonly #name: string;
  readonly #limits: FanOutLimits;
  readonly #taken: () => number;
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
    limits: FanOutLimits,
    taken: () => number,
    join: (subscription: Subscription) => void,
    leave: (subscription: Subscription) => void,
  ) {
    this.#name = name;
    this.nature = nature;
    this.#limits = limits;
    this.#taken = taken;
    this.#join = join;
    this.#leave = leave;
  }

  start(to: Receiver, failed: (error: unknown) => void): void {
    this.#to = to;
    this.#failed = failed;
    this.#join(this);
  }

  stop(): void {
    this.#to = undefined;
    this.#whenRoom = undefined;
    clearInterval(this.#stalling);
    this.#leave(this);
  }

  /** Whether the queue is full; if it is, `whenRoom` is called once it no longer is. */
  full(whenRoom: () => void): boolean {
    if (this.#queuedBytes < this.#limits.queueBytes) return false;
    this.#whenRoom = whenRoom;
    this.#watch();
    return true;
  }

  write(bytes: Buffer): void {
    if (this.#to === undefined) return;
    this.lent++;
    this.#queuedBytes += bytes.length;
    this.#to.write({
      bytes,
      release: () => {
        this.lent--;
        this.#queuedBytes -= bytes.length;
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

  #room(): void {
    const whenRoom = this.#whenRoom;
    if (whenRoom === undefined || this.#queuedBytes >= this.#limits.queueBytes) return;
    this.#whenRoom = undefined;
    clearInterval(this.#stalling);
    this.#stalling = undefined;
    whenRoom();
  }

  /** Gives the subscriber up once its queue stayed full for the stall time and nothing was taken of it. */
  #watch(): void {
    if (this.#stalling !== undefined) return;
    const { stallMs } = this.#limits;
    let taken = this.#taken();
    let takenAt = performance.now();
    this.#stalling = setInterval(() => {
      const now = this.#taken();
      if (now !== taken) {
        taken = now;
        takenAt = performance.now();
      } else if (performance.now() - takenAt >= stallMs) {
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

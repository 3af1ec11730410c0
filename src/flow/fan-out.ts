import type { Chunk, Source } from "./chunk.ts";
import { type Progress, Subscription, type SubscriptionLimits } from "./subscription.ts";

/** How much of a chunk is copied into the queues at a time: a queue's bound is exact but for the last slice. */
const largestSlice = 64 * 1024;
const smallestSlice = 4 * 1024;

/**
 * One source for many subscribers: each gets every byte from when it came, at its own speed, within
 * a bounded queue. The source is read while there is a subscriber, at the speed of the slowest.
 */
export class FanOut {
  readonly #source: Source;
  readonly #limits: SubscriptionLimits;
  readonly #subscribers = new Set<Subscription>();
  readonly #chunks: Chunk[] = [];
  #copied = 0;
  #pumping = false;
  #again = false;
  #started = false;
  #ended = false;
  #error: unknown;

  constructor(source: Source, limits: SubscriptionLimits) {
    this.#source = source;
    this.#limits = limits;
  }

  /**
   * A source for one more subscriber.
   *
   * @param name - the subscriber in messages
   */
  subscribe(name: string, progress: Progress): Source {
    const { nature } = this.#source;
    const more = () => this.#chunks.length > 0;
    return new Subscription(name, nature, this.#limits, progress, more, this.#join, this.#leave);
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
        for (const chunk of this.#chunks.splice(0)) chunk.release();
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
      let full = false;
      for (const each of this.#subscribers) full = each.full(this.#pump) || full;
      if (full) {
        for (const each of this.#subscribers) each.watch();
        return;
      }
      const chunk = this.#chunks[0];
      if (chunk === undefined) break;
      const size = Math.min(largestSlice, Math.max(smallestSlice, this.#limits.queueBytes));
      const slice = Buffer.from(chunk.bytes.subarray(this.#copied, this.#copied + size));
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

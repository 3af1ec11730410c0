import { type Receiver, type Stage, throughStages } from "./chunk.ts";
import { GatheredBytes } from "./gathered-bytes.ts";
import type { SharedSink } from "./shared-sink.ts";

/** A body up to this size is written in one piece. */
const wholeBytes = 1 << 20;
/** What bodies that are not whole yet may hold together; beyond, they are written as they come. */
const mostHeldBytes = 64 << 20;
/** Of a body that is written as it comes, what may wait for the sink. */
const mostWaitingBytes = 1 << 20;
/** What a chunk that waits costs, besides its bytes. */
const chunkCost = 512;

/**
 * Writes bodies to one sink as they come. Of those that arrive side by side, a small one is written
 * in one piece once it is whole, so that two of them do not mix.
 */
export class BodyWriter {
  /** Bytes of all bodies so far. */
  received = 0;
  held = 0;
  readonly #sink: SharedSink;
  readonly #stages: () => readonly Stage[];
  readonly #sideBySide: boolean;

  /**
   * @param stages - on the way of one body
   * @param sideBySide - whether a body may begin before the one before it has ended
   */
  constructor(sink: SharedSink, stages: () => readonly Stage[], sideBySide: boolean) {
    this.#sink = sink;
    this.#stages = stages;
    this.#sideBySide = sideBySide;
  }

  /** @param length - how many bytes it will have, where that is known */
  begin(length: number | undefined): Body {
    const holds = this.#sideBySide && (length ?? 0) <= wholeBytes;
    return new Body(this, this.#sink, this.#stages(), holds);
  }
}

export class Body {
  /** Resolves once all of it has been taken, or to false once the sink has failed. */
  readonly written: Promise<boolean>;
  /** Called when more may be written, after `write` said that it may not. */
  onRoom: () => void = () => undefined;
  readonly #all: BodyWriter;
  readonly #to: Receiver;
  #holds: boolean;
  readonly #held = new GatheredBytes();
  #waiting = 0;
  #full = false;

  constructor(all: BodyWriter, sink: SharedSink, stages: readonly Stage[], holds: boolean) {
    this.#all = all;
    this.#holds = holds;
    const member = sink.member();
    this.#to = throughStages(stages, member);
    this.written = new Promise((resolve) =>
      member.open(
        () => resolve(true),
        () => resolve(false),
      ),
    );
  }

  /** Takes bytes, whose memory becomes its own. False: no more, please, before `onRoom`. */
  write(bytes: Buffer): boolean {
    this.#all.received += bytes.length;
    if (!this.#holds) this.#pass(bytes);
    else {
      this.#held.add(bytes);
      this.#all.held += bytes.length;
      if (this.#held.length > wholeBytes || this.#all.held > mostHeldBytes) this.#letGo();
    }
    this.#full = this.#waiting >= mostWaitingBytes;
    return !this.#full;
  }

  /** The body is over, whole or not. */
  end(): void {
    this.#letGo();
    this.#to.end();
  }

  #letGo(): void {
    this.#holds = false;
    const bytes = this.#held.take();
    this.#all.held -= bytes.length;
    if (bytes.length > 0) this.#pass(bytes);
  }

  #pass(bytes: Buffer): void {
    const cost = bytes.length + chunkCost;
    this.#waiting += cost;
    this.#to.write({
      bytes,
      release: () => {
        this.#waiting -= cost;
        if (!this.#full || this.#waiting > mostWaitingBytes / 2) return;
        this.#full = false;
        this.onRoom();
      },
    });
  }
}

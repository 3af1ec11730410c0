/** How often it looks within the time. */
const looks = 8;

/** Tells, once, when nothing has moved for so long. */
export class IdleWatch {
  readonly #timeoutMs: number;
  readonly #moved: () => number | string;
  readonly #held: () => number;
  readonly #expired: () => void;
  readonly #timer: NodeJS.Timeout;
  #lastMoved: number | string = 0;
  #lastHeld: number | undefined;
  #movedAt = performance.now();

  /**
   * @param moved - how many bytes have moved so far, or what else changes as long as something does
   * @param held - how many bytes the system still holds for the peer; asked only after a while,
   *   for it may cost a look at a table of all sockets
   */
  constructor(
    timeoutMs: number,
    moved: () => number | string,
    held: () => number,
    expired: () => void,
  ) {
    this.#timeoutMs = timeoutMs;
    this.#moved = moved;
    this.#held = held;
    this.#expired = expired;
    this.#timer = setInterval(() => this.#look(), timeoutMs / looks);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const moved = this.#moved();
    const now = performance.now();
    if (moved !== this.#lastMoved) {
      this.#lastMoved = moved;
      this.#movedAt = now;
      this.#lastHeld = undefined;
      return;
    }
    if (now - this.#movedAt < this.#timeoutMs / 4) return;
    // A slow peer takes from the system before the system takes from us.
    const held = this.#held();
    if (held !== this.#lastHeld) {
      this.#lastHeld = held;
      if (held > 0) this.#movedAt = now;
    }
    if (now - this.#movedAt < this.#timeoutMs) return;
    this.stop();
    this.#expired();
  }
}

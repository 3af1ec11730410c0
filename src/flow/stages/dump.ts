import type { Emit } from "../../events.ts";
import type { Chunk, Receiver, Stage } from "../chunk.ts";

const lookAgainMs = 2;

/**
 * Emits every chunk as `data` events, and passes it on as it is once all of it has been shown.
 *
 * @param mayEmit - whether an event would go out now, rather than wait or be dropped
 * @param pieceBytes - the most that one event shows
 */
export function dump(
  id: number,
  direction: "received" | "sent",
  emit: Emit,
  mayEmit: () => boolean,
  pieceBytes = 4096,
): Stage {
  return (next: Receiver): Receiver => {
    const waiting: Chunk[] = [];
    let offset = 0;
    /** How much of the first chunk has been shown. */
    let shown = 0;
    let timer: NodeJS.Timeout | undefined;
    let busy = false;
    let ending = false;

    /** Whether all of the chunk has been shown. */
    const show = ({ bytes }: Chunk): boolean => {
      do {
        if (!mayEmit()) return false;
        const piece = bytes.subarray(shown, shown + pieceBytes);
        emit({ event: "data", id, direction, offset, hex: piece.toString("hex") });
        offset += piece.length;
        shown += piece.length;
      } while (shown < bytes.length);
      return true;
    };

    const passOn = () => {
      // A chunk that is released may bring the next one, or the end.
      if (busy) return;
      busy = true;
      timer = undefined;
      for (let chunk = waiting[0]; chunk !== undefined; chunk = waiting[0]) {
        if (!show(chunk)) {
          timer = setTimeout(passOn, lookAgainMs);
          break;
        }
        shown = 0;
        waiting.shift();
        next.write(chunk);
      }
      busy = false;
      if (!ending || timer !== undefined) return;
      ending = false;
      next.end();
    };

    return {
      write(chunk) {
        waiting.push(chunk);
        if (timer === undefined) passOn();
      },
      end() {
        ending = true;
        if (timer === undefined) passOn();
      },
    };
  };
}

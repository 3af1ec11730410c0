import type { Emit } from "../../events.ts";
import type { Receiver, Stage } from "../chunk.ts";

/** Emits every chunk as a `data` event, and passes it on as it is. */
export function dump(id: number, direction: "received" | "sent", emit: Emit): Stage {
  return (next: Receiver): Receiver => {
    let offset = 0;
    return {
      write(chunk) {
        emit({ event: "data", id, direction, offset, hex: chunk.bytes.toString("hex") });
        offset += chunk.bytes.length;
        next.write(chunk);
      },
      end: () => next.end(),
    };
  };
}

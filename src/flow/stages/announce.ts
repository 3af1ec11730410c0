import type { Emit } from "../../events.ts";
import type { Receiver, Stage } from "../chunk.ts";

/** Emits a `datagram` event for every chunk that has a sender, and passes it on as it is. */
export function announce(emit: Emit): Stage {
  return (next: Receiver): Receiver => ({
    write(chunk) {
      if (chunk.from !== undefined)
        emit({ event: "datagram", from: chunk.from, bytes: chunk.bytes.length });
      next.write(chunk);
    },
    end: () => next.end(),
  });
}

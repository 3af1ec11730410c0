import type { Receiver } from "../chunk.ts";

const newline = Buffer.from("\n");

/** Ends the last line of what somebody watches on a terminal, where it does not end itself. */
export function endLine(next: Receiver): Receiver {
  let last: number | undefined;
  return {
    write(chunk) {
      last = chunk.bytes.at(-1) ?? last;
      next.write(chunk);
    },
    end() {
      if (last !== undefined && last !== newline[0])
        next.write({ bytes: newline, release: () => undefined });
      next.end();
    },
  };
}

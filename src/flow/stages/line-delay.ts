import type { Chunk, Receiver, Stage } from "../chunk.ts";

/** Passes one line at a time on, and waits this many milliseconds between two of them. */
export function lineDelay(milliseconds: number): Stage {
  return (next: Receiver): Receiver => {
    const waiting: Chunk[] = [];
    let start = 0;
    let timer: NodeJS.Timeout | undefined;
    let ending = false;
    let ended = false;

    const passOn = () => {
      timer = undefined;
      for (let chunk = waiting[0]; chunk !== undefined; chunk = waiting[0]) {
        const { bytes } = chunk;
        const lineEnd = bytes.indexOf(0x0a, start) + 1;
        const end = lineEnd === 0 ? bytes.length : lineEnd;
        const line = bytes.subarray(start, end);
        start = end;
        // Before the line is written: its release may bring more.
        if (lineEnd > 0) timer = setTimeout(passOn, milliseconds);
        if (end < bytes.length) {
          next.write({ bytes: Buffer.from(line), release: () => undefined });
        } else {
          waiting.shift();
          start = 0;
          next.write({ ...chunk, bytes: line, release: () => chunk.release() });
        }
        if (timer !== undefined && !(ending && waiting.length === 0)) return;
        // There is no line after the last one to wait for.
        clearTimeout(timer);
        timer = undefined;
      }
      // A chunk that is released may bring the end before we are through here.
      if (!ending || ended) return;
      ended = true;
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
        else if (waiting.length === 0) {
          clearTimeout(timer);
          passOn();
        }
      },
    };
  };
}

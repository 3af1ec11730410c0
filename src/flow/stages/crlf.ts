import type { Receiver } from "../chunk.ts";

const carriageReturn = 0x0d;
const lineFeed = 0x0a;

/** Makes every line end in CR LF. A line end that is CR LF already stays as it is. */
export function crlf(next: Receiver): Receiver {
  let previous = 0;
  return {
    write(chunk) {
      const { bytes } = chunk;
      let bare = 0;
      for (let at = bytes.indexOf(lineFeed); at >= 0; at = bytes.indexOf(lineFeed, at + 1))
        if ((at === 0 ? previous : bytes[at - 1]) !== carriageReturn) bare++;
      const before = previous;
      previous = bytes.at(-1) ?? previous;
      if (bare === 0) return next.write(chunk);
      const changed = withReturns(bytes, before, bare);
      next.write({ ...chunk, bytes: changed, release: () => chunk.release() });
    },
    end: () => next.end(),
  };
}

/** A copy of `bytes` with `bare` line feeds, those that follow no CR, turned into CR LF. */
function withReturns(bytes: Buffer, before: number, bare: number): Buffer {
  const result = Buffer.allocUnsafe(bytes.length + bare);
  let length = 0;
  let last = before;
  for (const byte of bytes) {
    if (byte === lineFeed && last !== carriageReturn) result[length++] = carriageReturn;
    result[length++] = byte;
    last = byte;
  }
  return result;
}

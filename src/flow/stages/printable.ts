import type { Receiver } from "../chunk.ts";

/**
 * Makes what a peer sends safe for a terminal: text in UTF-8 passes, with tab, newline and carriage
 * return; other control bytes are shown in caret notation (^[ for escape, ^? for delete), control
 * characters above them and bytes that are no UTF-8 as \x and two digits.
 */
export function printable(next: Receiver): Receiver {
  let held = Buffer.alloc(0);
  return {
    write(chunk) {
      const bytes = held.length === 0 ? chunk.bytes : Buffer.concat([held, chunk.bytes]);
      // A datagram has no rest that could still come.
      const whole = bytes.length - (chunk.from === undefined ? incompleteTail(bytes) : 0);
      held = Buffer.from(bytes.subarray(whole));
      next.write({
        ...chunk,
        bytes: safe(bytes.subarray(0, whole)),
        release: () => chunk.release(),
      });
    },
    end() {
      if (held.length > 0) next.write({ bytes: safe(held), release: () => undefined });
      next.end();
    },
  };
}

/** How many bytes at the end are the beginning of a UTF-8 character whose rest may still come. */
function incompleteTail(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const length = sequenceLength(bytes[bytes.length - back] ?? 0);
    if (length === 0) continue;
    return length > back ? back : 0;
  }
  return 0;
}

/** The length a first byte announces (RFC 3629, section 3); 0 for a byte that continues a character. */
function sequenceLength(byte: number): number {
  if (byte < 0x80) return 1;
  if (byte < 0xc0) return 0;
  if (byte < 0xe0) return 2;
  return byte < 0xf0 ? 3 : 4;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function safe(bytes: Buffer): Buffer {
  if (
    bytes.every((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 9 || byte === 10 || byte === 13)
  )
    return bytes;
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes[at] ?? 0);
    const character = length > 0 ? decoded(bytes.subarray(at, at + length)) : undefined;
    if (character === undefined) {
      text += inHex(bytes[at] ?? 0);
      at += 1;
    } else {
      text += visible(character);
      at += length;
    }
  }
  return Buffer.from(text);
}

function decoded(bytes: Buffer): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function visible(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code === 9 || code === 10 || code === 13) return character;
  if (code < 0x20 || code === 0x7f) return `^${String.fromCharCode(code ^ 0x40)}`;
  return code >= 0x80 && code < 0xa0 ? inHex(code) : character;
}

const inHex = (byte: number) => `\\x${byte.toString(16).padStart(2, "0")}`;

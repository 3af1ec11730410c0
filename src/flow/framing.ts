import { ExitCode, PortcatError } from "../errors.ts";
import type { Chunk, Receiver, Source } from "./chunk.ts";

/** The most payload one datagram holds over IPv4: 65535 less 20 of IP and 8 of UDP header (RFC 768). */
export const longestDatagram = 65507;

/** What is cut at a time: each frame of it may have to wait. */
const chunkBytes = 64 * 1024;

/** How a stream of bytes is cut into datagrams. */
export type Framing =
  /** All of it is one. */
  | { readonly kind: "whole"; readonly evenEmpty: boolean }
  /** Each line is one, with its line end. */
  | { readonly kind: "lines" }
  /** Each has this many bytes, the last perhaps fewer. */
  | { readonly kind: "chunks"; readonly size: number };

/**
 * A source whose every chunk is one datagram.
 *
 * @param longest - bytes a datagram can hold; one that would need more is a failure that says so
 */
export function framed(source: Source, framing: Framing, longest: number): Source {
  let cutter: Cutter | undefined;
  return {
    nature: source.nature,
    get lent() {
      return source.lent;
    },
    stop: () => source.stop(),
    leave() {
      source.stop();
      cutter?.finishBegun();
    },
    start(to, failed) {
      cutter = cut(framing, longest, to, (error) => {
        source.stop();
        failed(error);
      });
      source.start(cutter, failed, chunkBytes);
    },
  };
}

interface Cutter extends Receiver {
  /** Passes on a frame that has begun as it is. */
  finishBegun(): void;
}

function cut(
  framing: Framing,
  longest: number,
  to: Receiver,
  failed: (error: PortcatError) => void,
): Cutter {
  let begun: Buffer[] = [];
  let begunBytes = 0;
  let over = false;

  const keep = (bytes: Buffer) => {
    begun.push(Buffer.from(bytes));
    begunBytes += bytes.length;
    if (begunBytes <= longest) return;
    over = true;
    failed(tooLong(framing, longest));
  };
  const finish = (bytes: Buffer, release: () => void) => {
    const frame = begunBytes === 0 ? bytes : Buffer.concat([...begun, bytes]);
    begun = [];
    begunBytes = 0;
    if (frame.length > longest) {
      over = true;
      release();
      failed(tooLong(framing, longest));
    } else to.write({ bytes: frame, release });
  };

  return {
    write(chunk: Chunk) {
      let left = 1;
      const release = () => {
        if (--left === 0) chunk.release();
      };
      let at = 0;
      for (;;) {
        const end = over ? -1 : frameEnd(framing, chunk.bytes, at, begunBytes);
        if (end < 0) break;
        left++;
        finish(chunk.bytes.subarray(at, end), release);
        at = end;
      }
      if (!over && at < chunk.bytes.length) keep(chunk.bytes.subarray(at));
      release();
    },
    finishBegun() {
      if (!over && begunBytes > 0) finish(Buffer.alloc(0), () => undefined);
    },
    end() {
      if (over) return;
      if (begunBytes > 0 || (framing.kind === "whole" && framing.evenEmpty))
        finish(Buffer.alloc(0), () => undefined);
      to.end();
    },
  };
}

/** Where the frame that begins at `at`, or `before` bytes earlier, ends in `bytes`; -1 if not in there. */
function frameEnd(framing: Framing, bytes: Buffer, at: number, before: number): number {
  if (framing.kind === "whole") return -1;
  if (framing.kind === "lines") return bytes.indexOf(0x0a, at) + 1 || -1;
  const end = at + framing.size - before;
  return end <= bytes.length ? end : -1;
}

function tooLong({ kind }: Framing, longest: number): PortcatError {
  const what = kind === "lines" ? "a line of stdin is" : "stdin is";
  const hint = kind === "whole" ? "; --lines sends one a line, --chunk <size> pieces" : "";
  return new PortcatError(
    `${what} too long for one datagram: more than ${String(longest)} bytes (EMSGSIZE)${hint}`,
    { exitCode: kind === "whole" ? ExitCode.usage : ExitCode.broken, code: "EMSGSIZE" },
  );
}

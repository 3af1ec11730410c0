import fc from "fast-check";
import { expect, test } from "vitest";
import type { Event } from "../../src/events.ts";
import type { Stage } from "../../src/flow/chunk.ts";
import { announce } from "../../src/flow/stages/announce.ts";
import { crlf } from "../../src/flow/stages/crlf.ts";
import { dump } from "../../src/flow/stages/dump.ts";
import { lineDelay } from "../../src/flow/stages/line-delay.ts";
import { printable } from "../../src/flow/stages/printable.ts";
import { chunked, cuts, mostLent, sourcePace } from "../helpers/arbitraries.ts";
import { collect, type Collected, cutAt, MemorySource, staged } from "../helpers/memory.ts";

const flow = fc.record({ pace: sourcePace, mostLent, hold: fc.nat(2) });
type Flow = typeof flow extends fc.Arbitrary<infer T> ? T : never;

/** Sends chunks through a stage; what every stage has to keep is asserted here. */
async function through(stage: Stage, pieces: readonly Buffer[], how: Flow): Promise<Collected> {
  const source = new MemorySource(pieces, how);
  const collected = await collect(staged(source, stage), how.hold);
  expect(collected.failures).toEqual([]);
  expect(collected.ends).toBe(1);
  expect(source.releases).toEqual(pieces.map(() => 1));
  return collected;
}

const whole = (pieces: readonly Buffer[]) => [Buffer.concat(pieces)];
const plainly: Flow = { pace: "later", mostLent: 2, hold: 0 };

test("crlf leaves no line feed without its return, adds nothing else, wherever chunks are cut", () =>
  fc.assert(
    fc.asyncProperty(chunked, flow, async (pieces, how) => {
      const input = Buffer.concat(pieces).toString("latin1");
      const output = (await through(crlf, pieces, how)).bytes().toString("latin1");
      expect(output).not.toMatch(/(?<!\r)\n/);
      // A CR LF that was there has gained nothing: taken as one, input and output are the same.
      expect(output.replaceAll("\r\n", "\n")).toBe(input.replaceAll("\r\n", "\n"));
      expect((await through(crlf, whole(pieces), plainly)).bytes().toString("latin1")).toBe(output);
    }),
    { numRuns: 300 },
  ));

test("printable lets no control character and no broken UTF-8 through, wherever chunks are cut", () =>
  fc.assert(
    fc.asyncProperty(chunked, flow, async (pieces, how) => {
      const output = (await through(printable, pieces, how)).bytes();
      const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(output);
      const controls = Array.from(text, (character) => character.codePointAt(0) ?? 0).filter(
        (code) => (code < 0x20 && ![9, 10, 13].includes(code)) || (code >= 0x7f && code <= 0x9f),
      );
      expect(controls).toEqual([]);
      expect((await through(printable, whole(pieces), plainly)).bytes()).toEqual(output);
    }),
    { numRuns: 300 },
  ));

test("printable passes text in UTF-8 unchanged, wherever its characters are cut", () =>
  fc.assert(
    fc.asyncProperty(
      fc
        .array(
          fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("\n", "\r", "\t", "é", "😀")),
        )
        // What is left are all characters but controls: they are not plain text.
        .map((parts) => parts.join("").replaceAll(/(?![\t\n\r])\p{Cc}/gu, "")),
      cuts,
      flow,
      async (text, lengths, how) => {
        const pieces = cutAt(Buffer.from(text), lengths);
        expect((await through(printable, pieces, how)).bytes().toString()).toBe(text);
      },
    ),
    { numRuns: 300 },
  ));

test.each([
  ["an escape sequence", "\x1b[31mred\x1b]0;title\x07", "^[[31mred^[]0;title^G"],
  ["NUL and delete", "\0\x7f", "^@^?"],
  ["backspace, which overwrites", "ok\b\bno", "ok^H^Hno"],
  ["a C1 control sequence introducer in UTF-8", Buffer.from("c29b334a", "hex"), "\\x9b3J"],
  ["a C1 control byte alone", Buffer.from("9b334a", "hex"), "\\x9b3J"],
  ["an escape in an overlong form", Buffer.from("c09b", "hex"), "\\xc0\\x9b"],
  ["half of a surrogate pair", Buffer.from("eda080", "hex"), "\\xed\\xa0\\x80"],
  ["a character that the end cuts off", Buffer.from("61e282", "hex"), "a\\xe2\\x82"],
  ["a character that an escape cuts off", Buffer.from("e2821b41", "hex"), "\\xe2\\x82^[A"],
])("printable shows %s as text", async (_, input, shown) => {
  const bytes = Buffer.from(input as Buffer);
  const pieces = [...bytes].map((byte) => Buffer.from([byte]));
  expect((await through(printable, [bytes], plainly)).bytes().toString()).toBe(shown);
  expect((await through(printable, pieces, plainly)).bytes().toString()).toBe(shown);
});

test("printable shows every control character, and nothing else below U+0100, as text", async () => {
  for (let code = 0; code < 0x100; code++) {
    const character = String.fromCodePoint(code);
    const control = /\p{Cc}/u.test(character) && !"\t\n\r".includes(character);
    const caret = `^${code === 0x7f ? "?" : String.fromCharCode(code + 64)}`;
    const shown = !control ? character : code < 0x80 ? caret : `\\x${code.toString(16)}`;
    const output = await through(printable, [Buffer.from(character)], plainly);
    expect(output.bytes().toString()).toBe(shown);
  }
});

test("line-delay changes no byte and passes a line at a time", () =>
  fc.assert(
    fc.asyncProperty(
      fc.tuple(fc.stringMatching(/^[ab\n]{0,12}$/), cuts),
      flow,
      async ([text, lengths], how) => {
        const pieces = cutAt(Buffer.from(text), lengths);
        const { frames, bytes } = await through(lineDelay(1), pieces, how);
        expect(bytes().toString()).toBe(text);
        for (const frame of frames) expect(frame.toString()).toMatch(/^[^\n]*\n?$/);
      },
    ),
    { numRuns: 150 },
  ));

test("line-delay waits between any two lines, in one chunk or in several", async () => {
  for (const pieces of [["a\nb\nc\nd"], ["a\n", "b\n", "c\n", "d"], ["a", "\nb\n", "c", "\nd"]]) {
    for (const pace of ["eager", "later"] as const) {
      const begun = performance.now();
      const { frames } = await through(
        lineDelay(40),
        pieces.map((piece) => Buffer.from(piece)),
        { ...plainly, pace },
      );
      expect(Buffer.concat(frames).toString()).toBe("a\nb\nc\nd");
      // Three waits; a timer may be early by a fraction of a millisecond.
      expect(performance.now() - begun).toBeGreaterThan(3 * 40 - 5);
    }
  }
});

test("dump passes every byte on as it is and tells each chunk with its offset", () =>
  fc.assert(
    fc.asyncProperty(
      chunked,
      flow,
      fc.integer({ min: 1, max: 3 }),
      async (pieces, how, slowness) => {
        const events: Event[] = [];
        let looks = 0;
        const stage = dump(
          7,
          "sent",
          (event) => events.push(event),
          () => looks++ % slowness === 0,
        );
        expect((await through(stage, pieces, how)).bytes()).toEqual(Buffer.concat(pieces));
        let offset = 0;
        const expected = pieces.map((piece) => {
          offset += piece.length;
          const hex = Array.from(piece, (byte) => (byte + 256).toString(16).slice(1)).join("");
          return { event: "data", id: 7, direction: "sent", offset: offset - piece.length, hex };
        });
        expect(events).toEqual(expected);
      },
    ),
    { numRuns: 100 },
  ));

test("announce tells a datagram and its sender, and nothing of a stream", () => {
  const events: Event[] = [];
  const passed: Buffer[] = [];
  let ends = 0;
  const receiver = announce((event) => events.push(event))({
    write: (chunk) => passed.push(chunk.bytes),
    end: () => ends++,
  });
  const from = { address: "192.0.2.1", port: 5000 };
  receiver.write({ bytes: Buffer.from("four"), from, release: () => undefined });
  receiver.write({ bytes: Buffer.alloc(0), from, release: () => undefined });
  receiver.write({ bytes: Buffer.from("stream"), release: () => undefined });
  receiver.end();
  expect(events).toEqual([
    { event: "datagram", from, bytes: 4 },
    { event: "datagram", from, bytes: 0 },
  ]);
  expect(passed.map(String)).toEqual(["four", "", "stream"]);
  expect(ends).toBe(1);
});

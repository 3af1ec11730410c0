import { beforeEach, describe, expect, test } from "vitest";
import { inOneRow, LiveLines } from "../../src/cli/live-lines.ts";

let columns = 80;
beforeEach(() => {
  columns = 80;
  Object.defineProperty(process.stderr, "columns", { configurable: true, get: () => columns });
  Object.defineProperty(process.stderr, "rows", { configurable: true, value: 4 });
});

function live() {
  let written = "";
  const lines = new LiveLines((text) => (written += text));
  const taken = () => {
    const text = written;
    written = "";
    return text;
  };
  return { lines, taken };
}

describe("lines that change in place", () => {
  test("are drawn again over those that are there", () => {
    const { lines, taken } = live();
    lines.set("a", "one", true);
    expect(taken()).toBe("one\n");
    lines.set("b", "two", true);
    expect(taken()).toBe("\x1b[1A\x1b[Jone\ntwo\n");
    lines.set("a", "\x1b[32mthree\x1b[39m", true);
    expect(taken()).toBe("\x1b[2A\x1b[J\x1b[32mthree\x1b[39m\ntwo\n");
    lines.writeAbove("a line\n");
    expect(taken()).toBe("\x1b[2A\x1b[Ja line\n\x1b[32mthree\x1b[39m\ntwo\n");
  });

  test("stay where something else is written below, but for those that do not last", () => {
    const { lines, taken } = live();
    lines.set("a", "lasting", true);
    lines.set("b", "passing", false);
    taken();
    lines.settle();
    expect(taken()).toBe("\x1b[2A\x1b[Jlasting\n");
    lines.settle();
    expect(taken()).toBe("");
    lines.set("a", "anew", true);
    expect(taken()).toBe("anew\n");
  });

  test("are as many as the terminal has rows for, and no more", () => {
    const { lines, taken } = live();
    for (const key of ["a", "b", "c"]) expect(lines.set(key, key, true)).toBe(true);
    taken();
    expect(lines.set("d", "d", true)).toBe(false);
    expect(taken()).toBe("");
    expect(lines.set("c", "changed", true)).toBe(true);
  });

  test("are found again on a terminal that has become narrower", () => {
    const { lines, taken } = live();
    lines.set("a", "x".repeat(70), true);
    taken();
    columns = 30;
    lines.set("a", "short", true);
    expect(taken()).toBe("\x1b[3A\x1b[Jshort\n");
  });

  test("are cut to what a row has room for", () => {
    columns = 20;
    expect(inOneRow("0123456789", 9)).toBe("0123456789");
    expect(inOneRow("0123456789a", 9)).toBe("012345678…");
  });
});

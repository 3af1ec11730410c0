import type { Command, Option } from "commander";
import { describe, expect, test } from "vitest";
import { ExitCode } from "../../src/errors.ts";
import { createWholeProgram } from "../../src/program.ts";
import { eventFields } from "../helpers/event-schema.ts";
import { codeSpans, fencedLines, spansOf, tablesUnder, tableUnder } from "../helpers/readme.ts";

const program = await createWholeProgram(
  {
    emit: () => undefined,
    signal: new AbortController().signal,
    abort: () => undefined,
    settle: () => undefined,
    handOverSignals: () => undefined,
    mayEmit: () => true,
    datagramsShown: () => false,
  },
  () => undefined,
);

interface Leaf {
  readonly path: string;
  readonly options: readonly Option[];
}

const optionsOf = (command: Command) => command.createHelp().visibleOptions(command);

/** The commands that do something, with the options that they and those above them take. */
function leavesOf(command: Command, above: readonly Option[] = []): Leaf[] {
  const options = [...above, ...optionsOf(command)];
  if (command.commands.length === 0) return [{ path: pathOf(command), options }];
  return command.commands.flatMap((each) => leavesOf(each, options));
}

function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
}

const leaves = leavesOf(program);
const allOptions = leaves.flatMap(({ options }) => options);
const longFlags = new Set(allOptions.map(({ long }) => long ?? ""));
const optionRows = tablesUnder("option").flatMap(([cell = "", meaning = ""]) =>
  spansOf(cell).map((flags) => ({ flags, meaning })),
);

describe("README.md and the command tree", () => {
  test("the tree is there to be looked at", () => {
    expect(leaves.map(({ path }) => path)).toContain("portcat tcp listen");
    expect(longFlags).toContain("--keep-open");
  });

  test("every command is in the table of commands, and no other", () => {
    const named = tableUnder("command").flatMap(([cell = ""]) =>
      spansOf(cell).map((span) => span.replace(/ [[<].*$/, "")),
    );
    expect(named.toSorted()).toEqual(leaves.map(({ path }) => path).toSorted());
  });

  test("every option of every command is named, with its short form and its argument", () => {
    const flags = new Set(allOptions.map((option) => option.flags));
    expect([...flags].filter((each) => !codeSpans.includes(each))).toEqual([]);
  });

  test("every option that is named exists, with this short form and argument", () => {
    const flags = new Set(allOptions.map((option) => option.flags));
    const bare = new Set(allOptions.flatMap(({ short, long }) => [short, long]));
    // What nc is told is nc's.
    const ofOthers = tableUnder("nc, and often ncat and socat").flatMap(([nc = ""]) => spansOf(nc));
    const named = codeSpans.filter((span) => /^-/.test(span) && !ofOthers.includes(span));
    expect(named.filter((span) => !flags.has(span) && !bare.has(span))).toEqual([]);
  });

  test("every command line in it is one of a command that exists, with options that it takes", () => {
    const lines = [...fencedLines, ...codeSpans].flatMap((text) =>
      Array.from(text.matchAll(/(?<=^|[\s(])portcat (?![<[])[^|>#)&$]*/g), ([line]) => line.trim()),
    );
    expect(lines.length).toBeGreaterThan(8);
    const wrong = lines.filter((line) => {
      const leaf = leaves.find(({ path }) => `${line} `.startsWith(`${path} `));
      const used = line.match(/(?<=\s)-{1,2}[a-z0-9][a-z-]*/gi) ?? [];
      return !used.every((flag) =>
        leaf?.options.some(({ short, long }) => flag === short || flag === long),
      );
    });
    expect(wrong).toEqual([]);
  });

  test("the defaults that the help tells are those of the README", () => {
    const wrong = allOptions.filter((option) => {
      const told = option.defaultValueDescription;
      if (told === undefined || told === "none") return false;
      return !optionRows.some(
        ({ flags, meaning }) => flags === option.flags && meaning.includes(told),
      );
    });
    expect(wrong.map(({ flags }) => flags)).toEqual([]);
  });
});

test("the table of exit codes is that of the program", () => {
  const codes = tableUnder("exit code").map(([code]) => code);
  expect(codes).toEqual([
    ...Object.values(ExitCode)
      .toSorted((a, b) => a - b)
      .map(String),
    "128+n",
  ]);
});

describe("the table of events", () => {
  /** Field names are the code spans that are not in brackets; those with dashes are options. */
  const documented = new Map(
    tableUnder("event").map(([name = "", fields = ""]) => [
      spansOf(name)[0] ?? name,
      spansOf(fields.replaceAll(/\([^)]*\)/g, "")).filter((span) => !span.startsWith("-")),
    ]),
  );

  test("names every event and no other", () => {
    expect([...documented.keys()].toSorted()).toEqual([...eventFields.keys()].toSorted());
  });

  test.each([...eventFields])("names every field of '%s' and no other", (name, fields) => {
    expect(documented.get(name)?.toSorted()).toEqual(fields.toSorted());
  });
});

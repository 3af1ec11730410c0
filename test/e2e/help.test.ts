import { describe, expect, test } from "vitest";
import { portcat } from "../helpers/tool.ts";

/** What it prints, which has to be all that it does. */
async function printed(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await portcat(args, { stdin: "null" }).ended;
  expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: "" });
  return stdout.toString();
}

describe("help", () => {
  test.each([
    ["help tcp listen", "tcp listen --help", /--keep-open/],
    ["tcp help listen", "tcp listen --help", /--keep-open/],
    ["help udp send", "udp send --help", /--lines/],
    ["unix help connect", "unix connect --help", /--bytes/],
    ["http help listen", "http listen --help", /--serve/],
    ["help address", "address --help", /--udp/],
    ["help tcp", "tcp --help", /listen .*\n.*connect/],
    ["tcp help", "tcp --help", /listen .*\n.*connect/],
    ["help", "--help", /tcp .*\n(.*\n)*.*address/],
  ])("`portcat %s` prints what `portcat %s` prints, options and all", async (asked, same, part) => {
    const help = await printed(...asked.split(" "));
    expect(help).toBe(await printed(...same.split(" ")));
    expect(help).toMatch(part);
    expect(help).toMatch(new RegExp(`^Usage: portcat ${same.replace(/ ?--help$/, "")}`));
  });

  test.each(["help nonsense", "help tcp nonsense", "tcp help nonsense"])(
    "`portcat %s` says that there is no such command, with code 2",
    async (asked) => {
      const { code, stdout, stderr } = await portcat(asked.split(" "), { stdin: "null" }).ended;
      expect({ code, stdout: stdout.toString() }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toContain("unknown command 'nonsense'");
    },
  );
});

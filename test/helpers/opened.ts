import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "./tool.ts";

/** Loaded into the program: notes what it opens towards a network, name look-ups included (a plain PIPEWRAP is stderr). */
const notebook = `
const { createHook } = require("node:async_hooks");
const { writeFileSync } = require("node:fs");
const opened = [];
createHook({
  init: (_, type) => {
    if (/^(TCP|UDP|PIPE(SERVER|CONNECT)|GETADDRINFO)/.test(type)) opened.push(type);
  },
}).enable();
process.on("exit", () => writeFileSync(process.env.OPENED, JSON.stringify(opened)));
`;

/** An environment for a program, and what sockets and look-ups it opened in it, by Node's names for them. */
export function watchOpened(): { env: Record<string, string>; opened: () => string[] } {
  const folder = temporaryFolder();
  const script = join(folder, "notebook.cjs");
  const notes = join(folder, "opened.json");
  writeFileSync(script, notebook);
  return {
    env: { NODE_OPTIONS: `--require="${script}"`, OPENED: notes },
    opened: () => {
      if (!existsSync(notes)) throw new Error("the program did not exit by itself");
      return JSON.parse(readFileSync(notes, "utf8")) as string[];
    },
  };
}

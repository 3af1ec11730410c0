import { spawnSync } from "node:child_process";
import { bin, Running } from "./tool.ts";

/** Whether util-linux's script(1) is here, which runs a program on a terminal of its own. */
export const hasTerminals =
  process.platform === "linux" && spawnSync("script", ["--version"]).status === 0;

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

/**
 * portcat on a terminal: what is written to `stdin` is typed there, and all that it shows, stderr
 * and the echo of what was typed too, comes on stdout.
 *
 * @param kind - of terminal, as TERM names it; a dumb one has no lines that change
 * @param redirections - of the shell, such as "</dev/null", for what is not to be the terminal
 */
export function onTerminal(args: readonly string[], redirections = "", kind = "dumb"): Running {
  const command = [process.execPath, bin, ...args].map(quoted).join(" ");
  return new Running("script", ["-qec", `${command} ${redirections}`, "/dev/null"], {
    env: { SHELL: "/bin/sh", TERM: kind },
  });
}

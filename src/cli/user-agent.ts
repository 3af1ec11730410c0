import type { Command } from "commander";

/** The value of User-Agent: "portcat/1.0.0". */
export function agentOf(command: Command): string {
  return command.parent === null ? `portcat/${command.version() ?? ""}` : agentOf(command.parent);
}

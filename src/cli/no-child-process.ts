/**
 * Stands in for node:child_process in the bundle (package.json, "build"). commander loads it at once
 * for subcommands that are programs of their own, of which we have none, and it brings node:net.
 */
export {};

import { renameSync, rmSync, writeFileSync } from "node:fs";
import { systemError } from "../../errors.ts";
import type { Bound } from "../../events.ts";
import type { Context } from "../context.ts";

/** Says where we listen: an event, and the ready file if there is to be one. */
export function announceBound(
  bound: Bound,
  readyFile: string | undefined,
  { emit }: Context,
): void {
  emit({ event: "listening", ...bound });
  if (readyFile === undefined) return;
  const draft = `${readyFile}.${String(process.pid)}`;
  try {
    writeFileSync(draft, `${JSON.stringify(bound)}\n`);
    renameSync(draft, readyFile);
  } catch (error) {
    rmSync(draft, { force: true });
    throw systemError(`cannot write the ready file ${readyFile}`, error);
  }
}

/** A file that an earlier run left must not be taken for ours. */
export function forgetReadyFile(path: string | undefined): void {
  if (path === undefined) return;
  try {
    rmSync(path, { force: true });
  } catch (error) {
    throw systemError(`cannot replace the ready file ${path}`, error);
  }
}

import { lstatSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { codeOf, systemError, usageError } from "../../errors.ts";
import type { Bound } from "../../events.ts";
import type { Context } from "../context.ts";

/** Says where we listen: an event, and the ready file if there is to be one. */
export function announceBound(
  bound: Bound & { tls?: { pin: string } },
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

/**
 * Does what binds, with the ready file out of the way: one that an earlier run left must not be
 * taken for ours. When it fails the file is put back, for it may be that of who has the place.
 */
export async function withoutReadyFile<T>(
  path: string | undefined,
  bind: () => Promise<T>,
): Promise<T> {
  if (path === undefined) return bind();
  const aside = `${path}.${String(process.pid)}.old`;
  const there = moved(path, aside);
  try {
    const bound = await bind();
    rmSync(aside, { force: true });
    return bound;
  } catch (error) {
    if (there) renameSync(aside, path);
    throw error;
  }
}

function moved(from: string, to: string): boolean {
  try {
    if (!lstatSync(from).isFile())
      throw usageError(`--ready-file ${from}: what is there is no regular file, and is left alone`);
    renameSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw systemError(`cannot replace the ready file ${from}`, error);
  }
}

import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem, type } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { GiB } from "./cell.ts";

function setting(path: string): string {
  try {
    return readFileSync(`/proc/sys/${path}`, "latin1").trim();
  } catch {
    return "unknown";
  }
}

/** What the figures depend on besides the tools. */
export function describeMachine(): Record<string, string> {
  return {
    kernel: `${type()} ${release()}`,
    processor: `${cpus()[0]?.model ?? "unknown"}, ${String(availableParallelism())} cores`,
    memory: `${(totalmem() / GiB).toFixed(0)} GiB`,
    "net.core.rmem_max": setting("net/core/rmem_max"),
    "net.core.rmem_default": setting("net/core/rmem_default"),
    "net.core.somaxconn": setting("net/core/somaxconn"),
  };
}

/** The share of all processors' time in the next half second that is not idle. */
export async function busyShare(): Promise<number> {
  const times = () => {
    let all = 0;
    let idle = 0;
    for (const { times } of cpus()) {
      all += times.user + times.nice + times.sys + times.irq + times.idle;
      idle += times.idle;
    }
    return { all, idle };
  };
  const before = times();
  await sleep(500);
  const after = times();
  return 1 - (after.idle - before.idle) / (after.all - before.all);
}

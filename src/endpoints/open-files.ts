import { readdirSync, readFileSync } from "node:fs";

/** Descriptors that are open besides those of connections, generously. */
const others = 64;

/**
 * Tells when no descriptor is left for a further connection: the system then drops clients without
 * telling Node. Known on Linux (proc(5), /proc/self/limits); false elsewhere.
 */
export function descriptorsLeft(): (connections: number) => boolean {
  const limit = openFilesLimit();
  return (connections) => {
    if (connections + others < limit) return true;
    try {
      return readdirSync("/proc/self/fd").length < limit;
    } catch {
      return true;
    }
  };
}

function openFilesLimit(): number {
  try {
    const text = readFileSync("/proc/self/limits", "latin1");
    return Number(/^Max open files\s+(\d+)/m.exec(text)?.[1] ?? Infinity);
  } catch {
    return Infinity;
  }
}

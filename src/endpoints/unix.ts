import { linkSync, lstatSync, renameSync, type Stats, statSync, unlinkSync } from "node:fs";
import { Socket } from "node:net";
import { dirname } from "node:path";
import { codeOf, ExitCode, PortcatError, systemError, usageError } from "../errors.ts";
import type { Emit } from "../events.ts";
import { listen, type Listener, type OnAccepted } from "./listener.ts";
import { abortable } from "./resolve.ts";

/** sun_path holds 108 bytes on Linux and 104 elsewhere, with a final NUL (unix(7), unix(4)). */
const longestPath = process.platform === "linux" ? 107 : 103;

const noOptions = { noDelay: false };

/**
 * The system's name of a socket: a path, or for "@name" one in Linux's abstract namespace.
 *
 * @throws PortcatError (exit code 2) when it is empty or too long, or this system has no such names
 */
export function socketName(path: string): string {
  const bytes = Buffer.byteLength(path);
  if (bytes === 0) throw usageError("the path of a UNIX socket cannot be empty");
  if (process.platform !== "win32" && bytes > longestPath)
    throw usageError(
      `the path ${path} is ${String(bytes)} bytes long; the system's limit is ${String(longestPath)}`,
    );
  if (!path.startsWith("@")) return path;
  if (process.platform !== "linux")
    throw usageError(
      `${path}: names in the abstract namespace exist on Linux only (a file: ./${path})`,
    );
  if (path === "@") throw usageError("the name after @ cannot be empty");
  return `\0${path.slice(1)}`;
}

const isAbstract = (path: string) => path.startsWith("@");

/** Node 20 fills an abstract name up with NUL bytes, which are part of a name (unix(7)). */
export function warnOfPadding(path: string, emit: Emit): void {
  if (!isAbstract(path) || Number(process.versions.node.split(".")[0]) >= 22) return;
  const message = `${path}: Node 20 pads abstract names, so only programs on Node 20 meet under it; Node 22 does not`;
  emit({ event: "warning", message });
}

/**
 * Listens on a UNIX socket. A socket file that nobody listens on any more is replaced; it is removed
 * again by `close`, and when the process exits.
 *
 * @param mode - permission bits of the socket file; undefined leaves them to the umask
 * @throws PortcatError when it cannot be bound (exit code 7): somebody listens there, or the path
 *   is something else than a socket
 */
export async function listenUnix(
  target: { path: string; mode: number | undefined; backlog: number },
  onAccepted: OnAccepted,
  signal: AbortSignal,
  emit: Emit,
): Promise<Listener> {
  const { path, mode, backlog } = target;
  const name = socketName(path);
  warnOfPadding(path, emit);
  if (!isAbstract(path)) await removeStale(path, signal);
  const ends = () => ({ transport: "unix", path }) as const;
  const place = { name: path, transport: "unix", address: path } as const;
  // Bound with the umask that gives the mode, so that it is never open wider, not for a moment.
  const umask = mode === undefined ? undefined : process.umask(0o777 & ~mode);
  const listening = listen(place, { path: name, backlog }, noOptions, ends, onAccepted, emit);
  if (umask !== undefined) process.umask(umask);
  const server = await listening;
  if (isAbstract(path))
    return { bound: { transport: "unix", path }, close: () => void server.close() };
  const file = new SocketFile(path);
  process.on("exit", file.remove);
  return {
    bound: { transport: "unix", path },
    close: () => {
      process.off("exit", file.remove);
      file.remove();
      file.keepAnothers(() => server.close());
    },
  };
}

/** The file of a socket of ours, known by its inode: another may be at its path later. */
class SocketFile {
  readonly #path: string;
  readonly #own: Stats;

  constructor(path: string) {
    this.#path = path;
    this.#own = lstatSync(path);
  }

  readonly remove = (): void => {
    try {
      if (this.#there() === "ours") unlinkSync(this.#path);
    } catch {
      // Its folder was closed to us meanwhile: nothing is left to try.
    }
  };

  /** Does what would remove whatever is at the path: libuv closes a UNIX socket that way. */
  keepAnothers(close: () => void): void {
    const aside = `${this.#path}.${String(process.pid)}`;
    let kept = false;
    try {
      if (this.#there() === "another") {
        linkSync(this.#path, aside);
        kept = true;
      }
    } catch {
      // A folder, for example, which libuv cannot remove either.
    }
    close();
    if (kept) renameSync(aside, this.#path);
  }

  #there(): "ours" | "another" | "nothing" {
    const now = lstatSync(this.#path, { throwIfNoEntry: false });
    if (now === undefined) return "nothing";
    return now.dev === this.#own.dev && now.ino === this.#own.ino ? "ours" : "another";
  }
}

/** @throws PortcatError (exit code 7) when the path is taken by something that is not a stale socket */
async function removeStale(path: string, signal: AbortSignal): Promise<void> {
  try {
    // Node would call a folder that is not there a lack of permission.
    statSync(dirname(path));
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) return;
    if (!found.isSocket())
      throw taken(path, "a file that is not a socket is there, and is left alone");
    const answer = await abortable(signal, knock(path));
    if (answer === "ECONNREFUSED") unlinkSync(path);
    else if (answer === "" || answer === "EAGAIN")
      throw taken(path, "another process listens there; `ss -xlp` shows which");
    else if (answer !== "ENOENT") throw taken(path, `nobody can tell who listens there: ${answer}`);
  } catch (error) {
    throw systemError(`cannot listen on ${path}`, error, {
      exitCode: ExitCode.cannotBind,
      address: path,
    });
  }
}

function taken(path: string, why: string): PortcatError {
  return new PortcatError(`cannot listen on ${path}: ${why} (EADDRINUSE)`, {
    exitCode: ExitCode.cannotBind,
    code: "EADDRINUSE",
    address: path,
  });
}

/** The code of the error that connecting meets, or "" if somebody listens. */
function knock(path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = new Socket();
    socket.once("error", (error) => resolve(codeOf(error)));
    socket.once("connect", () => {
      socket.destroy();
      resolve("");
    });
    socket.connect({ path });
  });
}

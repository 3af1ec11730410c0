import { readSync } from "node:fs";
import { Socket } from "node:net";
import { codeOf } from "../errors.ts";
import type { Receiver, Source } from "../flow/chunk.ts";
import { prematureClose } from "../flow/stream-source.ts";

const bufferSize = 64 * 1024;
const mostLent = 3;

/**
 * The reading side of a socket, into a few reused buffers instead of a new one each time.
 *
 * `onread` goes into the socket's constructor, and the socket starts paused. Node asks for the next
 * buffer right after every read, even when told to pause, so one is always kept for it.
 */
export class SocketReads implements Source {
  readonly nature = "stream";
  lent = 0;
  /** The peer's end has been read. */
  ended = false;
  readonly #free: Buffer[] = [];
  #current: Buffer = Buffer.alloc(0);
  #socket: Socket | undefined;
  #to: Receiver | undefined;
  #failed: (error: unknown) => void = () => undefined;
  #paused = false;

  readonly onread = {
    buffer: (): Buffer => {
      this.#current = this.#free.pop() ?? Buffer.allocUnsafeSlow(bufferSize);
      return this.#current;
    },
    callback: (count: number): boolean => {
      const buffer = this.#current;
      if (this.#to === undefined) {
        this.#free.push(buffer);
        return false;
      }
      this.lent++;
      this.#to.write({
        bytes: count === buffer.length ? buffer : buffer.subarray(0, count),
        release: () => {
          this.lent--;
          this.#free.push(buffer);
          if (!this.#paused || this.#to === undefined) return;
          this.#paused = false;
          this.#socket?.resume();
        },
      });
      this.#paused = this.lent >= mostLent;
      return !this.#paused;
    },
  };

  /** Takes the socket that was made with `onread`. From now on its failed writes do not end its reading. */
  attach(socket: Socket, mayBeReset = true): void {
    this.#socket = socket;
    // A peer may refuse our bytes and still have told us why: when a write fails, Node would
    // destroy the socket and with it what has arrived. Reading goes on to its own end instead,
    // seen where Node announces it, since a stream that has had an error emits no "end".
    const destroy = socket.destroy.bind(socket);
    socket.destroy = (error?: NodeJS.ErrnoException) => {
      if (error?.syscall === "write" && this.#to !== undefined) return socket;
      if (error !== undefined) this.#fail(error);
      return destroy(error);
    };
    const push = socket.push.bind(socket);
    socket.push = (chunk: unknown) => {
      if (chunk === null) this.#end(mayBeReset);
      return push(chunk);
    };
    socket.on("close", () => this.#fail(prematureClose()));
    socket.on("error", () => undefined);
  }

  start(to: Receiver, failed: (error: unknown) => void): void {
    this.#to = to;
    this.#failed = failed;
    this.#socket?.resume();
  }

  stop(): void {
    this.#to = undefined;
    this.#socket?.pause();
  }

  #end(mayBeReset: boolean): void {
    this.ended = true;
    const to = this.#to;
    if (to === undefined) return;
    if (mayBeReset) {
      // Node may tell a reset that comes right behind data as an end: the system knows better.
      const { bytes, error } = behindEnd(this.#socket);
      for (const each of bytes) to.write({ bytes: each, release: () => undefined });
      if (error !== undefined) return this.#fail(error);
    }
    // The last of it may have been all that was wanted.
    if (this.#to !== to) return;
    this.#to = undefined;
    to.end();
  }

  #fail(error: unknown): void {
    const failed = this.#to && this.#failed;
    this.#to = undefined;
    failed?.(error);
  }
}

/** What is still to be read of a socket whose end Node has told, and the reset that is behind it, if one is. */
export function behindEnd(socket: Socket | undefined): { bytes: Buffer[]; error?: unknown } {
  const handle = (socket as unknown as { _handle?: Handle | null } | undefined)?._handle;
  const fd = handle?.fd ?? -1;
  const bytes: Buffer[] = [];
  if (fd < 0) return { bytes };
  try {
    for (;;) {
      const buffer = Buffer.allocUnsafe(bufferSize);
      const count = readSync(fd, buffer);
      if (count === 0) return { bytes };
      bytes.push(buffer.subarray(0, count));
    }
  } catch (error) {
    return codeOf(error) === "EAGAIN" ? { bytes } : { bytes, error };
  }
}

interface Handle {
  fd?: number;
  useUserBuffer?: unknown;
  readStart?: unknown;
  readStop?: unknown;
}

/**
 * Reads a descriptor that is a pipe or a socket. `stop` closes it.
 *
 * @throws Error when Node cannot poll the descriptor
 */
export function readDescriptor(fd: number): Source {
  const reads = new SocketReads();
  const options = {
    fd,
    readable: true,
    writable: false,
    pauseOnCreate: true,
    onread: reads.onread,
  };
  const socket = new Socket(options);
  reads.attach(socket, false);
  return {
    nature: "stream",
    get lent() {
      return reads.lent;
    },
    start: (to, failed) => reads.start(to, failed),
    stop: () => {
      reads.stop();
      socket.destroy();
    },
  };
}

/**
 * Makes a socket with reused read buffers of one that a server has accepted (paused on connect).
 *
 * `net.Server` has no `onread` option, so the handle moves to a new socket. `_handle` is not
 * documented: where it is not what it is known to be, undefined is returned and the socket is left
 * as it was, to be read the plain way.
 */
export function adopt(accepted: Socket, reads: SocketReads): Socket | undefined {
  const owner = accepted as unknown as { _handle: Handle | null };
  const handle = owner._handle;
  if (
    typeof handle?.useUserBuffer !== "function" ||
    typeof handle.readStart !== "function" ||
    typeof handle.readStop !== "function"
  )
    return undefined;
  owner._handle = null;
  const options = { handle, allowHalfOpen: true, onread: reads.onread, pauseOnCreate: true };
  const socket = new Socket(options as object);
  reads.attach(socket);
  return socket;
}

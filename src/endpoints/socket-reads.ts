import { Socket } from "node:net";
import { ExitCode, exitCodeOf } from "../errors.ts";
import { tryRead } from "../flow/at-once.ts";
import type { Receiver, Source } from "../flow/chunk.ts";
import { prematureClose } from "../flow/stream-source.ts";
import { ReadBuffers } from "./read-buffers.ts";
import { RecordBuffers } from "./record-buffers.ts";
import { plainPath } from "./plain-path.ts";
import { descriptorOf, type OnRead, readInto, withReadBuffers } from "./socket-handle.ts";

/** Chunks that may be out at a time. */
const mostLent = 3;
/** What a connection that says little holds for its next read. Few messages fill it twice exactly. */
const smallBytes = 640;
/** A pipe holds 64 KiB: with a part of it read at a time, its writer goes on while we send. */
const pipeBytes = 16 * 1024;
const lastLookBytes = 64 * 1024;
/** A connection behind a handshake, of TLS or with a proxy, that has received as much is a stream. Of thousands, those that say little hold no buffer. */
const streamBytes = 256 * 1024;
const nothing = Buffer.alloc(0);

/** A frugal one of thousands of connections holds a small buffer, until a read has filled it. */
type Appetite = "greedy" | "frugal";

/**
 * The reading side of a socket, into a few reused buffers instead of a new one each time.
 *
 * `onread` goes into the socket's constructor, and the socket starts paused. Node asks for the next
 * buffer right after every read, even when told to pause, so one is always kept for it.
 *
 * Of a socket that was made without `onread`, Node's own chunks are handed out as Node reads them,
 * past the stream's queue, which takes nothing once a write has failed. One behind a handshake is
 * read into buffers once it is a stream.
 */
export class SocketReads implements Source {
  readonly nature = "stream";
  lent = 0;
  /** The peer's end has been read. */
  ended = false;
  readonly #buffers: ReadBuffers;
  readonly #appetite: Appetite;
  #small: Buffer | undefined;
  #filled = false;
  #large = false;
  #current: Buffer = nothing;
  #socket: Socket | undefined;
  #to: Receiver | undefined;
  #failed: (error: unknown) => void = () => undefined;
  #paused = false;
  #mayBeReset = true;
  /** How much a connection behind a handshake may still receive before it is read into buffers of ours. */
  #untilStream = Infinity;
  #records: RecordBuffers | undefined;

  /** @param buffers - may be shared with other connections */
  constructor(buffers = new ReadBuffers(), appetite: Appetite = "greedy") {
    this.#buffers = buffers;
    this.#appetite = appetite;
  }

  readonly onread: OnRead = {
    buffer: () => {
      this.#current = this.#take();
      return this.#current;
    },
    callback: (count) => {
      const buffer = this.#current;
      this.#sized(count, buffer.length);
      const bytes = count === buffer.length ? buffer : buffer.subarray(0, count);
      return this.#handOut(bytes, () => this.#give(buffer));
    },
  };

  /** What a socket's constructor takes of it. */
  get socketOptions(): { onread?: OnRead } {
    return plainPath ? {} : { onread: this.onread };
  }

  /** Takes a socket that is paused. From now on its failed writes do not end its reading. */
  attach(socket: Socket, mayBeReset = true): void {
    this.#socket = socket;
    this.#mayBeReset = mayBeReset;
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
    socket.push = (chunk: Buffer | null) => {
      if (chunk !== null) {
        this.#untilStream -= chunk.length;
        if (this.#untilStream <= 0) this.#readRecords(socket);
        return this.#handOut(chunk);
      }
      this.#end();
      return push(null);
    };
    socket.on("close", () => this.#fail(prematureClose()));
    socket.on("error", () => undefined);
  }

  /** Takes a socket whose handshake may have read more already, even the end. */
  attachBehindHandshake(socket: Socket): void {
    this.attach(socket);
    socket.on("end", () => this.#end());
    // A record that cannot be read, or an alert: nothing more is read behind it, and Node may leave it at this event.
    socket.on("error", (error) => {
      if (exitCodeOf(error) === ExitCode.tls) this.#fail(error);
    });
    if (!plainPath) this.#untilStream = streamBytes;
  }

  #readRecords(socket: Socket): void {
    this.#untilStream = Infinity;
    const records = new RecordBuffers(
      this.#buffers,
      (bytes, give) => this.#handOut(bytes, give),
      () => socket.pause(),
    );
    if (readInto(socket, records.onread)) this.#records = records;
  }

  start(to: Receiver, failed: (error: unknown) => void, chunkBytes?: number): void {
    if (chunkBytes !== undefined) this.#buffers.resize(chunkBytes);
    this.#to = to;
    this.#failed = failed;
    this.#handOutEarly();
    if (this.#socket?.readableEnded) this.#end();
    this.#socket?.resume();
  }

  /** What a handshake had read already, and perhaps the end behind it. */
  #handOutEarly(): void {
    const socket = this.#socket;
    if (socket === undefined || socket.readableLength === 0) return;
    this.#handOut(socket.read() as Buffer);
  }

  stop(): void {
    this.#records?.flush();
    this.#to = undefined;
    this.#socket?.pause();
  }

  /** Whether there may be more at once. */
  #handOut(bytes: Buffer, give?: () => void): boolean {
    const to = this.#to;
    if (to === undefined) {
      give?.();
      return false;
    }
    this.lent++;
    to.write({
      bytes,
      release: () => {
        this.lent--;
        give?.();
        if (!this.#paused || this.#to === undefined) return;
        this.#paused = false;
        // Without buffers of ours the stream does not know that it was paused.
        if (give === undefined && this.#records === undefined) this.#socket?._read(0);
        else this.#socket?.resume();
      },
    });
    this.#paused = this.lent >= mostLent;
    return !this.#paused;
  }

  /**
   * Two reads in a row that filled their buffers are a stream, where one may have been a message.
   * Once a read leaves most of a large buffer empty, there is nothing more for now.
   */
  #sized(count: number, size: number): void {
    const streams = this.#large && count > size / 8;
    this.#large = streams || (this.#filled && count === size);
    this.#filled = count === size;
  }

  #take(): Buffer {
    if (this.#appetite === "greedy" || this.#large) return this.#buffers.take();
    const small = this.#small ?? Buffer.allocUnsafe(smallBytes);
    this.#small = undefined;
    return small;
  }

  #give(buffer: Buffer): void {
    if (buffer.length === smallBytes) this.#small = buffer;
    else this.#buffers.give(buffer);
  }

  #end(): void {
    this.ended = true;
    this.#records?.flush();
    const to = this.#to;
    if (to === undefined) return;
    if (this.#mayBeReset) {
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
    this.#records?.flush();
    const failed = this.#to && this.#failed;
    this.#to = undefined;
    failed?.(error);
  }
}

/** What is still to be read of a socket whose end Node has told, and the reset that is behind it, if one is. */
export function behindEnd(socket: Socket | undefined): { bytes: Buffer[]; error?: unknown } {
  const fd = socket && descriptorOf(socket);
  const bytes: Buffer[] = [];
  if (fd === undefined) return { bytes };
  try {
    for (;;) {
      const buffer = Buffer.allocUnsafe(lastLookBytes);
      const count = tryRead(fd, buffer) ?? 0;
      if (count === 0) return { bytes };
      bytes.push(buffer.subarray(0, count));
    }
  } catch (error) {
    return { bytes, error };
  }
}

/**
 * Reads a descriptor that is a pipe or a socket. `stop` closes it, but for stdin, which libuv keeps.
 *
 * @throws Error (ERR_INVALID_FD_TYPE) when it is a socket of messages
 */
export function readDescriptor(fd: number): Source {
  const buffers = new ReadBuffers();
  buffers.resize(pipeBytes);
  const reads = new SocketReads(buffers);
  const options = {
    fd,
    readable: true,
    writable: false,
    pauseOnCreate: true,
    ...reads.socketOptions,
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

/** The socket to go on with of one that a server has accepted (paused on connect), attached to its reads. */
export function adopt(accepted: Socket, reads: SocketReads): Socket {
  const socket = (plainPath ? undefined : withReadBuffers(accepted, reads.onread)) ?? accepted;
  reads.attach(socket);
  return socket;
}

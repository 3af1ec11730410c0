import { ExitCode, exitCodeOf, PortcatError, systemError } from "../errors.ts";
import {
  type Chunk,
  type Endpoint,
  type Local,
  type Receiver,
  type Source,
  type Stage,
  throughStages,
} from "./chunk.ts";
import { cannotWrite, idleFailure, tooFew, withUnwritten } from "./endings.ts";
import { IdleWatch } from "./idle-watch.ts";

export interface RelayRules {
  /** The end of the local source is passed on to the peer at once (a FIN). */
  readonly halfClose: boolean;
  /** The peer's end does not end our sending: it goes on until the local source ends. */
  readonly allowHalfOpen: boolean;
  /** How long a local stream has to be silent to count as ended once the peer has ended. */
  readonly lingerMs: number;
  /** No traffic either way for this long is a failure; 0 for no such limit. */
  readonly idleTimeoutMs: number;
  /** Stop after this many bytes received; fewer is a failure. */
  readonly receiveBytes?: number | undefined;
  /** Stages on the way to the peer, and on the way from it. */
  readonly outbound: readonly Stage[];
  readonly inbound: readonly Stage[];
  /** Grows while a stage holds something up, which is not the peer's silence. */
  readonly waited?: () => number;
  /** Ends the relay from outside; its reason is the failure. */
  readonly signal: AbortSignal;
}

export interface Outcome {
  /** Bytes of payload that came from the peer, and that the system took for it. */
  readonly received: number;
  readonly sent: number;
  readonly failure: PortcatError | undefined;
  /** Bytes received that the near side had not taken when the run was ended. */
  readonly unwritten: number;
  /** The failure is the near side's, so it concerns every connection that shares it. */
  readonly local: boolean;
}

/** How long what has been received may still take to be written once a signal or a deadline ended the run. */
const flushOnAbortMs = 1000;

/** How often the system is asked whether it still holds something for a peer that we leave. */
const acknowledgedMs = 20;
/** How old its answer may be: nothing held counts once it has been said for as long. */
const oldAnswerMs = 60;

/**
 * Joins the near side to a peer until both directions are over. The rules of ending:
 *
 * 1. The local source ends: what is on its way is sent, then the end (FIN). The peer may still
 *    answer for as long as it likes. Without `halfClose` the end is sent only after the peer's.
 * 2. The peer ends: what was received is written. A local file is still sent to its end, a stream
 *    until it has been silent for `lingerMs`, a terminal not at all; then our end follows. With
 *    `allowHalfOpen` every kind is sent to its end.
 * 3. A direction fails: sending may fail while there is still something to receive, so receiving
 *    goes on to its own end. A failure to receive, or of the near side, ends both.
 * 4. `signal` aborts, or nothing moved for `idleTimeoutMs`: both end, and what was received is
 *    written, for a second at most.
 *
 * A peer that has not ended itself is left `lingerMs` after its system has acknowledged what was
 * sent, where that can be known. It is closed at the end; the near side is left open. Never rejects.
 */
export function relay(local: Local, peer: Endpoint, rules: RelayRules): Promise<Outcome> {
  return new Promise((resolve) => new Relay(local, peer, rules, resolve).start());
}

type Direction = "open" | "ending" | "over";

/** One conversation. A class, for a method costs an idle client of thousands nothing, and a closure does. */
class Relay {
  readonly #local: Local;
  readonly #peer: Endpoint;
  readonly #rules: RelayRules;
  readonly #resolve: (outcome: Outcome) => void;
  readonly #inward: Receiver;
  readonly #outward: Receiver;

  #received = 0;
  #failure: PortcatError | undefined;
  #localFailure = false;
  #unwritten = 0;
  #localEnded: boolean;
  #peerEnded = false;
  /** The peer says no more: its end, or its failure, has been read. */
  #silent = false;
  #broke = false;
  #sending: Direction = "open";
  #receiving: Direction = "open";
  #settled = false;

  #lingering: NodeJS.Timeout | undefined;
  #quietSince = 0;
  #flushing: NodeJS.Timeout | undefined;
  #acknowledging: NodeJS.Timeout | undefined;
  #acknowledgedAt: number | undefined;
  #idle: IdleWatch | undefined;

  constructor(
    local: Local,
    peer: Endpoint,
    rules: RelayRules,
    resolve: (outcome: Outcome) => void,
  ) {
    this.#local = local;
    this.#peer = peer;
    this.#rules = rules;
    this.#resolve = resolve;
    this.#localEnded = local.source === undefined;
    this.#inward = throughStages(rules.inbound, local.sink ?? discard(this.#receivingOver));
    this.#outward = throughStages(rules.outbound, peer.sink);
  }

  start(): void {
    const { source, sink } = this.#local;
    const { signal, idleTimeoutMs } = this.#rules;
    if (idleTimeoutMs > 0) this.#idle = this.#watchIdleness(idleTimeoutMs);
    this.#peer.sink.open(this.#sendingOver, this.#sendingFailed);
    sink?.open(this.#receivingOver, this.#localFailed);
    if (this.#settled) return;
    if (signal.aborted) return this.#aborted();
    signal.addEventListener("abort", this.#aborted);
    this.#peer.source.start(new FromPeer(this), this.#receivingFailed, sink?.chunkBytes);
    if (source !== undefined && this.#sending === "open")
      source.start(new FromLocal(this), this.#sourceFailed);
  }

  takeFromLocal(chunk: Chunk): void {
    if (this.#lingering !== undefined) this.#quietSince = performance.now();
    this.#outward.write(chunk);
  }

  localHasEnded(): void {
    this.#localEnded = true;
    if (this.#rules.halfClose || this.#peerEnded) this.#endSending();
  }

  takeFromPeer(chunk: Chunk): void {
    const wanted = (this.#rules.receiveBytes ?? Infinity) - this.#received;
    // Beyond what was asked for: still read, for a peer that talks to a closed socket is reset.
    if (wanted === 0) return chunk.release();
    if (chunk.bytes.length < wanted) {
      this.#received += chunk.bytes.length;
      this.#inward.write(chunk);
      return;
    }
    this.#received += wanted;
    this.#inward.write(firstBytes(chunk, wanted));
    this.#peerHasEnded();
  }

  peerIsSilent(): void {
    const { receiveBytes } = this.#rules;
    this.#silent = true;
    if (receiveBytes !== undefined && this.#received < receiveBytes)
      this.#fail(tooFew(this.#peer, this.#received, receiveBytes));
    if (this.#peerEnded) this.#settle();
    else this.#peerHasEnded();
  }

  /** Grows whenever anything moves, either way. */
  get #movedSoFar(): number {
    const { source, sink } = this.#peer;
    const peers = this.#received + (source.arrived ?? 0) + sink.taken;
    return peers + (this.#local.sink?.taken ?? 0) + (this.#rules.waited?.() ?? 0);
  }

  #watchIdleness(timeoutMs: number): IdleWatch {
    return new IdleWatch(
      timeoutMs,
      () => this.#movedSoFar,
      () => this.#peer.unacknowledged?.() ?? 0,
      () => this.#abort(idleFailure(this.#peer, timeoutMs)),
    );
  }

  /** Of a connection that broke it is not known how much the system has taken of the last write. */
  get #sent(): number {
    return this.#broke ? this.#peer.sink.delivered : this.#peer.sink.taken;
  }

  #soFar(): string {
    return `after ${String(this.#received)} bytes received and ${String(this.#sent)} sent`;
  }

  #broken(doing: string, error: unknown): PortcatError {
    return systemError(`cannot ${doing} ${this.#peer.name} ${this.#soFar()}`, error, {
      exitCode: exitCodeOf(error) === ExitCode.tls ? ExitCode.tls : ExitCode.broken,
      ...this.#peer.at,
    });
  }

  #endSending(): void {
    if (this.#sending !== "open") return;
    this.#sending = "ending";
    clearInterval(this.#lingering);
    this.#outward.end();
  }

  #endReceiving(): void {
    if (this.#receiving !== "open") return;
    this.#receiving = "ending";
    this.#inward.end();
  }

  #peerHasEnded(): void {
    const { source, sink } = this.#local;
    const { allowHalfOpen } = this.#rules;
    this.#peerEnded = true;
    this.#endReceiving();
    if (this.#sending !== "open") return;
    const nature = source?.nature;
    if (this.#localEnded || (nature === "terminal" && !allowHalfOpen)) this.#leave();
    else if (nature === "stream" && !allowHalfOpen && sink !== undefined)
      this.#awaitSilence(source);
  }

  #leave(): void {
    const { source } = this.#local;
    if (source?.leave) source.leave();
    else source?.stop();
    this.#endSending();
  }

  /** Leaves a source once it was read, nothing of it was on its way, and nothing came, for long enough. */
  #awaitSilence(source: Source | undefined): void {
    const { lingerMs } = this.#rules;
    const tickMs = Math.max(1, lingerMs / 8);
    this.#quietSince = performance.now();
    this.#lingering = setInterval(() => {
      if ((source?.lent ?? 0) > 0) this.#quietSince = performance.now();
      else if (performance.now() - this.#quietSince >= lingerMs + tickMs)
        this.#leaveIfStillSilent();
    }, tickMs);
  }

  /** After a turn of the event loop: if the process was held up, what came meanwhile is read first. */
  #leaveIfStillSilent(): void {
    const since = this.#quietSince;
    setImmediate(() => {
      if (this.#sending === "open" && this.#quietSince === since) this.#leave();
    });
  }

  #fail(error: PortcatError): void {
    this.#failure ??= error;
  }

  readonly #sendingOver = (): void => {
    if (this.#sending === "over") return;
    this.#sending = "over";
    clearInterval(this.#lingering);
    if (this.#local.sink === undefined) this.#receivingOver();
    this.#settle();
  };

  readonly #receivingOver = (): void => {
    if (this.#receiving === "over") return;
    this.#receiving = "over";
    this.#settle();
  };

  readonly #sendingFailed = (error: unknown): void => {
    this.#broke = true;
    this.#fail(this.#broken("send to", error));
    this.#local.source?.stop();
    this.#sendingOver();
  };

  readonly #receivingFailed = (error: unknown): void => {
    this.#silent = true;
    this.#broke = true;
    this.#fail(this.#broken("receive from", error));
    this.#local.source?.stop();
    this.#peerEnded = true;
    this.#endReceiving();
    this.#sendingOver();
  };

  readonly #sourceFailed = (error: unknown): void => {
    // A foreseen failure is about this peer: the source has given it up, and nobody else.
    if (error instanceof PortcatError) {
      this.#fail(new PortcatError(error.message, { ...error, ...this.#peer.at }));
    } else {
      this.#fail(systemError("cannot read stdin", error));
      this.#localFailure = true;
    }
    this.#peer.source.stop();
    this.#endReceiving();
    this.#sendingOver();
  };

  readonly #localFailed = (error: unknown): void => {
    this.#fail(cannotWrite(this.#local, error, this.#received));
    this.#localFailure = true;
    this.#local.source?.stop();
    this.#peer.source.stop();
    this.#receiving = "over";
    this.#sendingOver();
    this.#settle();
  };

  #abort(why: PortcatError): void {
    this.#idle?.stop();
    this.#local.source?.stop();
    // It may hand out what it has read so far.
    this.#peer.source.stop();
    const reason = new PortcatError(`${why.message} ${this.#soFar()}`, {
      ...why,
      ...this.#peer.at,
    });
    this.#fail(reason);
    this.#endReceiving();
    if (this.#receiving !== "over") {
      this.#flushing ??= setTimeout(() => {
        const delivered = this.#local.sink?.delivered ?? this.#received;
        this.#unwritten = Math.max(0, this.#received - delivered);
        this.#failure = withUnwritten(this.#failure ?? reason, this.#unwritten);
        this.#receivingOver();
      }, flushOnAbortMs);
    }
    this.#sendingOver();
  }

  readonly #aborted = (): void => this.#abort(this.#rules.signal.reason as PortcatError);

  #settle(): void {
    if (this.#settled || this.#sending !== "over" || this.#receiving !== "over") return;
    clearTimeout(this.#acknowledging);
    if (this.#failure === undefined && !this.#silent && !this.#mayLeave()) {
      this.#acknowledging = setTimeout(() => this.#settle(), acknowledgedMs);
      return;
    }
    this.#settled = true;
    this.#idle?.stop();
    clearTimeout(this.#flushing);
    this.#rules.signal.removeEventListener("abort", this.#aborted);
    const sent = this.#sent;
    this.#peer.source.stop();
    this.#peer.close();
    this.#resolve({
      received: this.#received,
      sent,
      failure: this.#failure,
      unwritten: this.#unwritten,
      local: this.#localFailure,
    });
  }

  /**
   * A socket closed while its peer talks is reset, and what either system still holds may be lost.
   * So all has to be acknowledged, and the peer has had the linger time to read it and end.
   */
  #mayLeave(): boolean {
    if (this.#peer.unacknowledged === undefined) return true;
    if (this.#peer.unacknowledged() > 0) {
      this.#acknowledgedAt = undefined;
      return false;
    }
    const now = performance.now();
    this.#acknowledgedAt ??= now;
    return now - this.#acknowledgedAt >= Math.max(this.#rules.lingerMs, oldAnswerMs);
  }
}

class FromLocal implements Receiver {
  readonly #relay: Relay;

  constructor(relay: Relay) {
    this.#relay = relay;
  }

  write(chunk: Chunk): void {
    this.#relay.takeFromLocal(chunk);
  }

  end(): void {
    this.#relay.localHasEnded();
  }
}

class FromPeer implements Receiver {
  readonly #relay: Relay;

  constructor(relay: Relay) {
    this.#relay = relay;
  }

  write(chunk: Chunk): void {
    this.#relay.takeFromPeer(chunk);
  }

  end(): void {
    this.#relay.peerIsSilent();
  }
}

function discard(finished: () => void): Receiver {
  return { write: (chunk) => chunk.release(), end: finished };
}

/** The first `count` bytes of a chunk, standing in for the whole. */
function firstBytes(chunk: Chunk, count: number): Chunk {
  return { ...chunk, bytes: chunk.bytes.subarray(0, count), release: () => chunk.release() };
}

import { ExitCode, PortcatError, systemError } from "../errors.ts";
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
  return new Promise((resolve) => {
    let received = 0;
    let failure: PortcatError | undefined;
    let localFailure = false;
    let unwritten = 0;
    let localEnded = local.source === undefined;
    let peerEnded = false;
    let sending: "open" | "ending" | "over" = "open";
    let receiving: "open" | "ending" | "over" = "open";
    let lingering: NodeJS.Timeout | undefined;
    let quietSince = 0;
    let flushing: NodeJS.Timeout | undefined;
    let acknowledging: NodeJS.Timeout | undefined;
    let acknowledgedAt: number | undefined;
    // The peer says no more: its end, or its failure, has been read.
    let silent = false;

    const oneWay = local.sink === undefined;
    const inward = throughStages(rules.inbound, local.sink ?? discard(receivingOver));
    const outward = throughStages(rules.outbound, peer.sink);

    const idle =
      rules.idleTimeoutMs > 0 ? setInterval(checkIdle, rules.idleTimeoutMs / 8) : undefined;
    let moved = 0;
    let movedAt = performance.now();
    let held: number | undefined;
    function checkIdle(): void {
      const now = received + peer.sink.taken + (local.sink?.taken ?? 0);
      const idleMs = performance.now() - movedAt;
      if (now !== moved) {
        moved = now;
        movedAt = performance.now();
        held = undefined;
      } else if (idleMs >= rules.idleTimeoutMs / 4) {
        // A slow peer takes from the system before the system takes from us.
        const holds = peer.unacknowledged?.() ?? 0;
        if (holds !== held) {
          held = holds;
          if (holds > 0) movedAt = performance.now();
        }
        if (performance.now() - movedAt >= rules.idleTimeoutMs)
          abort(idleFailure(peer, rules.idleTimeoutMs));
      }
    }

    const soFar = () =>
      `after ${String(received)} bytes received and ${String(peer.sink.delivered)} sent`;
    const broken = (doing: string, error: unknown) =>
      systemError(`cannot ${doing} ${peer.name} ${soFar()}`, error, {
        exitCode: ExitCode.broken,
        ...peer.at,
      });

    const fromLocal: Receiver = {
      write(chunk) {
        quietSince = performance.now();
        outward.write(chunk);
      },
      end() {
        localEnded = true;
        if (rules.halfClose || peerEnded) endSending();
      },
    };
    const fromPeer: Receiver = {
      write(chunk) {
        const wanted = (rules.receiveBytes ?? Infinity) - received;
        // Beyond what was asked for: still read, for a peer that talks to a closed socket is reset.
        if (wanted === 0) return chunk.release();
        if (chunk.bytes.length < wanted) {
          received += chunk.bytes.length;
          inward.write(chunk);
          return;
        }
        received += wanted;
        inward.write(firstBytes(chunk, wanted));
        peerHasEnded();
      },
      end() {
        silent = true;
        if (rules.receiveBytes !== undefined && received < rules.receiveBytes)
          fail(tooFew(peer, received, rules.receiveBytes));
        if (peerEnded) settle();
        else peerHasEnded();
      },
    };

    function endSending(): void {
      if (sending !== "open") return;
      sending = "ending";
      clearInterval(lingering);
      outward.end();
    }

    function endReceiving(): void {
      if (receiving !== "open") return;
      receiving = "ending";
      inward.end();
    }

    function peerHasEnded(): void {
      peerEnded = true;
      endReceiving();
      if (sending !== "open") return;
      const nature = local.source?.nature;
      if (localEnded || (nature === "terminal" && !rules.allowHalfOpen)) leave();
      else if (nature === "stream" && !rules.allowHalfOpen && !oneWay) awaitSilence(local.source);
    }

    function leave(): void {
      if (local.source?.leave) local.source.leave();
      else local.source?.stop();
      endSending();
    }

    /** Leaves a source once it was read, nothing of it was on its way, and nothing came, for long enough. */
    function awaitSilence(source: Source | undefined): void {
      const tickMs = Math.max(1, rules.lingerMs / 8);
      quietSince = performance.now();
      lingering = setInterval(() => {
        if ((source?.lent ?? 0) > 0) quietSince = performance.now();
        else if (performance.now() - quietSince >= rules.lingerMs + tickMs) leaveIfStillSilent();
      }, tickMs);
    }

    /** After a turn of the event loop: if the process was held up, what came meanwhile is read first. */
    function leaveIfStillSilent(): void {
      const since = quietSince;
      setImmediate(() => {
        if (sending === "open" && quietSince === since) leave();
      });
    }

    function fail(error: PortcatError): void {
      failure ??= error;
    }

    function sendingOver(): void {
      if (sending === "over") return;
      sending = "over";
      clearInterval(lingering);
      if (oneWay) receivingOver();
      settle();
    }

    function receivingOver(): void {
      if (receiving === "over") return;
      receiving = "over";
      settle();
    }

    function sendingFailed(error: unknown): void {
      fail(broken("send to", error));
      local.source?.stop();
      sendingOver();
    }

    function receivingFailed(error: unknown): void {
      silent = true;
      fail(broken("receive from", error));
      local.source?.stop();
      peerEnded = true;
      endReceiving();
      sendingOver();
    }

    function sourceFailed(error: unknown): void {
      // A foreseen failure is about this peer: the source has given it up, and nobody else.
      if (error instanceof PortcatError) {
        fail(new PortcatError(error.message, { ...error, ...peer.at }));
      } else {
        fail(systemError("cannot read stdin", error));
        localFailure = true;
      }
      peer.source.stop();
      endReceiving();
      sendingOver();
    }

    function localFailed(error: PortcatError): void {
      fail(error);
      localFailure = true;
      local.source?.stop();
      peer.source.stop();
      receiving = "over";
      sendingOver();
      settle();
    }

    function abort(why: PortcatError): void {
      const reason = new PortcatError(`${why.message} ${soFar()}`, { ...why, ...peer.at });
      fail(reason);
      clearInterval(idle);
      local.source?.stop();
      peer.source.stop();
      endReceiving();
      if (receiving !== "over") {
        flushing = setTimeout(() => {
          unwritten = Math.max(0, received - (local.sink?.delivered ?? received));
          failure = withUnwritten(failure ?? reason, unwritten);
          receivingOver();
        }, flushOnAbortMs);
      }
      sendingOver();
    }

    const aborted = () => abort(rules.signal.reason as PortcatError);

    let settled = false;
    function settle(): void {
      if (settled || sending !== "over" || receiving !== "over") return;
      if (failure === undefined && !silent && !mayLeave()) {
        clearTimeout(acknowledging);
        acknowledging = setTimeout(settle, acknowledgedMs);
        return;
      }
      settled = true;
      clearTimeout(acknowledging);
      clearInterval(idle);
      clearTimeout(flushing);
      rules.signal.removeEventListener("abort", aborted);
      peer.source.stop();
      peer.close();
      resolve({ received, sent: peer.sink.delivered, failure, unwritten, local: localFailure });
    }

    /**
     * A socket closed while its peer talks is reset, and what either system still holds may be lost.
     * So all has to be acknowledged, and the peer has had the linger time to read it and end.
     */
    function mayLeave(): boolean {
      if (peer.unacknowledged === undefined) return true;
      const now = performance.now();
      if (acknowledgedAt === undefined || peer.unacknowledged() > 0) acknowledgedAt = now;
      return now - acknowledgedAt >= rules.lingerMs;
    }

    peer.sink.open(sendingOver, sendingFailed);
    local.sink?.open(receivingOver, (error) => localFailed(cannotWrite(local, error, received)));
    if (settled) return;
    if (rules.signal.aborted) return aborted();
    rules.signal.addEventListener("abort", aborted);
    peer.source.start(fromPeer, receivingFailed, local.sink?.chunkBytes);
    if (local.source !== undefined && sending === "open")
      local.source.start(fromLocal, sourceFailed);
  });
}

function discard(finished: () => void): Receiver {
  return { write: (chunk) => chunk.release(), end: finished };
}

/** The first `count` bytes of a chunk, standing in for the whole. */
function firstBytes(chunk: Chunk, count: number): Chunk {
  return { ...chunk, bytes: chunk.bytes.subarray(0, count), release: () => chunk.release() };
}

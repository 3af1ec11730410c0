import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { type Duplex, duplexPair } from "node:stream";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PortcatError } from "../../src/errors.ts";
import type { Event } from "../../src/events.ts";
import type { Endpoint, Sink } from "../../src/flow/chunk.ts";
import { crlf } from "../../src/flow/stages/crlf.ts";
import { dump } from "../../src/flow/stages/dump.ts";
import { printable } from "../../src/flow/stages/printable.ts";
import { relay, type RelayRules } from "../../src/flow/relay.ts";
import { StreamSink } from "../../src/flow/stream-sink.ts";
import { StreamSource } from "../../src/flow/stream-source.ts";
import { chunked, mostLent, payload, sinkPace, sourcePace } from "../helpers/arbitraries.ts";
import { memoryPeer, MemorySink, MemorySource, turns } from "../helpers/memory.ts";

/** Longer than any of these tests: what has to arrive arrives without waiting for silence. */
const longLingerMs = 60_000;

const rules = (changes: Partial<RelayRules> = {}): RelayRules => ({
  halfClose: true,
  allowHalfOpen: false,
  lingerMs: longLingerMs,
  idleTimeoutMs: 0,
  outbound: [],
  inbound: [],
  signal: new AbortController().signal,
  ...changes,
});

const side = fc.record({ pieces: payload, pace: sourcePace, mostLent, sink: sinkPace });
type Side = typeof side extends fc.Arbitrary<infer T> ? T : never;
const bytesOf = ({ pieces }: Side) => Buffer.concat(pieces);

/** Who ends first: the other side ends only after it has seen that end. */
const order = fc.constantFrom(
  "local first" as const,
  "peer first" as const,
  "as it comes" as const,
);

/** Two sides in memory. `before` says what the end of each source waits for. */
function inMemory(
  near: Side,
  far: Side,
  nature: "file" | "stream" | "terminal",
  endsFirst: "local first" | "peer first" | "as it comes",
) {
  const localSink = new MemorySink({ pace: near.sink });
  const peerSink = new MemorySink({ pace: far.sink });
  const localSource = new MemorySource(near.pieces, {
    ...near,
    nature,
    ...(endsFirst === "peer first" && { beforeEnd: localSink.ended }),
  });
  const peerSource = new MemorySource(far.pieces, {
    ...far,
    ...(endsFirst === "local first" && { beforeEnd: peerSink.ended }),
  });
  const peer = memoryPeer(peerSource, peerSink);
  return { local: { source: localSource, sink: localSink }, peer, peerSource, peerSink };
}

test("every byte is delivered both ways, whichever side ends first", () =>
  fc.assert(
    fc.asyncProperty(
      side,
      side,
      fc.constantFrom("file" as const, "stream" as const),
      order,
      fc.boolean(),
      fc.boolean(),
      async (near, far, nature, endsFirst, allowHalfOpen, holdEnd) => {
        // Without a half-close the peer would never see the end that it waits for.
        const halfClose = !holdEnd || endsFirst === "local first";
        const { local, peer, peerSource, peerSink } = inMemory(near, far, nature, endsFirst);
        const outcome = await relay(local, peer, rules({ allowHalfOpen, halfClose }));
        expect(peerSink.received().equals(bytesOf(near))).toBe(true);
        expect(local.sink.received().equals(bytesOf(far))).toBe(true);
        expect(outcome).toEqual({
          received: bytesOf(far).length,
          sent: bytesOf(near).length,
          failure: undefined,
          unwritten: 0,
          local: false,
        });
        for (const source of [local.source, peerSource]) {
          expect(source.starts).toBe(1);
          expect(source.allReleasedOnce()).toBe(true);
        }
        expect(peer.closes).toBe(1);
      },
    ),
    { numRuns: 300 },
  ));

test("a terminal is left at the peer's end, but gets every byte, and what it sent is in order", () =>
  fc.assert(
    fc.asyncProperty(side, side, order, async (near, far, endsFirst) => {
      const { local, peer, peerSource, peerSink } = inMemory(near, far, "terminal", endsFirst);
      const outcome = await relay(local, peer, rules());
      expect(local.sink.received().equals(bytesOf(far))).toBe(true);
      const sent = peerSink.received();
      expect(sent.equals(local.source.handedOut())).toBe(true);
      if (endsFirst === "local first") expect(sent.equals(bytesOf(near))).toBe(true);
      expect(outcome).toMatchObject({ sent: sent.length, failure: undefined });
      for (const source of [local.source, peerSource]) expect(source.allReleasedOnce()).toBe(true);
    }),
    { numRuns: 200 },
  ));

test("stages on the way change what they say they change, and lose nothing", () =>
  fc.assert(
    fc.asyncProperty(side, side, chunked, order, async (near, side, pieces, endsFirst) => {
      const far = { ...side, pieces };
      const { local, peer, peerSink } = inMemory(near, far, "stream", endsFirst);
      let dumped = 0;
      const count = (event: Event) => {
        if (event.event === "data") dumped += event.hex.length / 2;
      };
      let looks = 0;
      const watch = dump(1, "received", count, () => looks++ % 3 > 0);
      const outcome = await relay(
        local,
        peer,
        rules({ outbound: [crlf], inbound: [watch, printable] }),
      );
      const plain = (bytes: Buffer) => bytes.toString("latin1").replaceAll("\r\n", "\n");
      expect(plain(peerSink.received()) === plain(bytesOf(near))).toBe(true);
      expect(dumped).toBe(bytesOf(far).length);
      expect(outcome).toMatchObject({ received: bytesOf(far).length, failure: undefined });
      expect(local.source.allReleasedOnce()).toBe(true);
    }),
    { numRuns: 100 },
  ));

test("one way: all is sent, what arrives is discarded, and the peer's end is not waited for", () =>
  fc.assert(
    fc.asyncProperty(
      side,
      side,
      fc.constantFrom("file" as const, "stream" as const),
      order,
      async (near, far, nature, endsFirst) => {
        const { local, peer, peerSource, peerSink } = inMemory(near, far, nature, "as it comes");
        const endless = new MemorySource(far.pieces, { ...far, beforeEnd: new Promise(() => 0) });
        const source = endsFirst === "local first" ? endless : peerSource;
        const outcome = await relay(
          { source: local.source, sink: undefined },
          { ...peer, source },
          rules(),
        );
        expect(peerSink.received().equals(bytesOf(near))).toBe(true);
        expect(outcome).toMatchObject({ sent: bytesOf(near).length, failure: undefined });
        expect(local.source.allReleasedOnce() && source.allReleasedOnce()).toBe(true);
      },
    ),
    { numRuns: 100 },
  ));

test("only receiving: every byte arrives, nothing is sent, and our side ends after the peer", () =>
  fc.assert(
    fc.asyncProperty(side, async (far) => {
      const { local, peer, peerSink } = inMemory(
        { ...far, pieces: [] },
        far,
        "stream",
        "as it comes",
      );
      const outcome = await relay({ source: undefined, sink: local.sink }, peer, rules());
      expect(local.sink.received().equals(bytesOf(far))).toBe(true);
      expect(outcome).toMatchObject({ sent: 0, failure: undefined });
      await peerSink.ended;
    }),
    { numRuns: 100 },
  ));

test("a number of bytes to receive is met exactly, or is a failure that says so", () =>
  fc.assert(
    fc.asyncProperty(side, side, fc.integer({ min: 1, max: 400 }), async (near, far, wanted) => {
      const { local, peer, peerSource } = inMemory(near, far, "file", "as it comes");
      const outcome = await relay(local, peer, rules({ receiveBytes: wanted }));
      const expected = bytesOf(far).subarray(0, wanted);
      expect(local.sink.received().equals(expected)).toBe(true);
      expect(outcome.received).toBe(expected.length);
      if (expected.length === wanted) expect(outcome.failure).toBeUndefined();
      else expect(outcome.failure).toMatchObject({ code: "ESHORT", exitCode: 8 });
      expect(local.source.allReleasedOnce() && peerSource.allReleasedOnce()).toBe(true);
    }),
    { numRuns: 200 },
  ));

test("whatever fails, and whenever, the relay ends, says so, and every chunk is released once", () =>
  fc.assert(
    fc.asyncProperty(
      side,
      side,
      fc.constantFrom("file" as const, "stream" as const, "terminal" as const),
      fc.record({
        localSource: fc.option(fc.nat(12), { nil: undefined }),
        localSink: fc.option(fc.nat(12), { nil: undefined }),
        peerSource: fc.option(fc.nat(12), { nil: undefined }),
        peerSink: fc.option(fc.nat(12), { nil: undefined }),
        abortAfter: fc.option(fc.nat(25), { nil: undefined }),
      }),
      fc.record({ allowHalfOpen: fc.boolean(), halfClose: fc.boolean() }),
      async (near, far, nature, failures, changes) => {
        const run = new AbortController();
        const localSink = new MemorySink({ pace: near.sink, failAt: failures.localSink });
        const peerSink = new MemorySink({ pace: far.sink, failAt: failures.peerSink });
        const localSource = new MemorySource(near.pieces, {
          ...near,
          nature,
          failAt: failures.localSource,
        });
        const peerSource = new MemorySource(far.pieces, { ...far, failAt: failures.peerSource });
        const peer = memoryPeer(peerSource, peerSink);
        const reason = new PortcatError("ended by SIGINT", { exitCode: 130, code: "SIGINT" });
        const running = relay(
          { source: localSource, sink: localSink },
          peer,
          rules({ ...changes, signal: run.signal }),
        );
        if (failures.abortAfter !== undefined)
          void turns(failures.abortAfter).then(() => run.abort(reason));
        let late: NodeJS.Timeout | undefined;
        const outcome = await Promise.race([
          running,
          new Promise<"hangs">((resolve) => (late = setTimeout(resolve, 5000, "hangs"))),
        ]);
        clearTimeout(late);
        if (outcome === "hangs") return expect.unreachable("the relay hangs");
        const failed = [localSource, localSink, peerSource, peerSink].some((each) => each.failed);
        if (failed) expect(outcome.failure).toBeInstanceOf(PortcatError);
        else if (failures.abortAfter === undefined) expect(outcome.failure).toBeUndefined();
        if (localSink.failed) expect(localSource.stopped && peerSource.stopped).toBe(true);
        const { sent } = outcome;
        // What was on its way inward when the relay ended is let go of by a sink that goes on.
        await turns(20);
        for (const source of [localSource, peerSource]) expect(source.allReleasedOnce()).toBe(true);
        for (const [sink, whole] of [
          [localSink, bytesOf(far)],
          [peerSink, bytesOf(near)],
        ] as const) {
          const part = sink.received();
          expect(part.equals(whole.subarray(0, part.length))).toBe(true);
        }
        expect(sent).toBe(peerSink.delivered);
        expect(peer.closes).toBe(1);
      },
    ),
    { numRuns: 600 },
  ));

test.each([
  ["of sending", { peerSink: 0 }, { exitCode: 8 }, false],
  ["of receiving", { peerSource: 0 }, { exitCode: 8 }, false],
  ["of stdin", { localSource: 0 }, { exitCode: 1 }, true],
  ["of stdout", { localSink: 0 }, { exitCode: 1 }, true],
])("a failure %s has its exit code and its side", async (_, at, expected, isLocal) => {
  const failAt: Partial<Record<"peerSink" | "peerSource" | "localSource" | "localSink", number>> =
    at;
  const pieces = [Buffer.from("some"), Buffer.from("bytes")];
  const peer = memoryPeer(
    new MemorySource(pieces, { failAt: failAt.peerSource }),
    new MemorySink({ failAt: failAt.peerSink }),
  );
  const outcome = await relay(
    {
      source: new MemorySource(pieces, { failAt: failAt.localSource }),
      sink: new MemorySink({ failAt: failAt.localSink }),
    },
    peer,
    rules(),
  );
  expect(outcome.failure).toMatchObject(expected);
  expect(outcome.local).toBe(isLocal);
});

test("a peer that no longer reads does not keep us from hearing it to its end", async () => {
  const answer = [Buffer.from("413 "), Buffer.from("too large")];
  const localSink = new MemorySink();
  const outcome = await relay(
    { source: new MemorySource([Buffer.from("a"), Buffer.from("b")]), sink: localSink },
    memoryPeer(new MemorySource(answer), new MemorySink({ failAt: 0 })),
    rules(),
  );
  expect(localSink.received().toString()).toBe("413 too large");
  expect(outcome.failure).toMatchObject({ exitCode: 8 });
});

test("after the peer's end a stream is left once it is silent, not while its chunks are under way", async () => {
  const sent: string[] = [];
  let finish: () => void = () => undefined;
  const slow: Sink = {
    delivered: 0,
    taken: 0,
    open: (finished) => (finish = finished),
    // Each chunk is under way for longer than a stream may be silent.
    write: (chunk) =>
      void setTimeout(() => {
        sent.push(chunk.bytes.toString());
        chunk.release();
      }, 60),
    end: () => finish(),
  };
  const source = new MemorySource(
    ["a", "b", "c"].map((text) => Buffer.from(text)),
    // It never ends: silence alone ends it.
    { mostLent: 1, beforeEnd: new Promise(() => undefined) },
  );
  const peer = { ...memoryPeer(new MemorySource([]), new MemorySink()), sink: slow };
  const outcome = await relay({ source, sink: new MemorySink() }, peer, rules({ lingerMs: 20 }));
  expect(sent).toEqual(["a", "b", "c"]);
  expect(outcome.failure).toBeUndefined();
  expect(source.stopped).toBe(true);
});

describe("over real streams", () => {
  let server: Server;
  beforeAll(async () => {
    server = createServer({ allowHalfOpen: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterAll(() => void server.close());

  async function socketPair(): Promise<[Socket, Socket]> {
    const { port } = server.address() as { port: number };
    const accepted = once(server, "connection");
    const client = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const [socket] = (await accepted) as [Socket];
    return [client, socket];
  }

  /** Writes pieces and the end, the end perhaps only after the other one has ended. */
  async function write(stream: Duplex, pieces: readonly Buffer[], first: boolean): Promise<void> {
    for (const piece of pieces) if (!stream.write(piece)) await once(stream, "drain");
    if (!first && !stream.readableEnded) await once(stream, "end");
    stream.end();
  }

  async function read(stream: Duplex): Promise<Buffer> {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    await once(stream, "end");
    return Buffer.concat(chunks);
  }

  const endpoint = (stream: Duplex): Endpoint => {
    const source = new StreamSource(stream, "stream");
    return {
      name: "stream",
      source,
      sink: new StreamSink(stream),
      close() {
        source.stop();
        stream.destroy();
      },
    };
  };

  test.each([
    ["duplex pairs", () => Promise.resolve(duplexPair()), 60],
    ["loopback sockets", socketPair, 40],
  ])("every byte is delivered both ways, %s", (_, makePair, numRuns) =>
    fc.assert(
      fc.asyncProperty(side, side, order, async (near, far, endsFirst) => {
        const [nearEnd, local] = await makePair();
        const [farEnd, peer] = await makePair();
        const ends = endpoint(local);
        const [toPeer, toLocal, outcome] = await Promise.all([
          read(farEnd),
          read(nearEnd),
          relay({ source: ends.source, sink: ends.sink }, endpoint(peer), rules()),
          write(nearEnd, near.pieces, endsFirst !== "peer first"),
          write(farEnd, far.pieces, endsFirst !== "local first"),
        ]);
        ends.close();
        for (const stream of [nearEnd, farEnd]) stream.destroy();
        expect(toPeer.equals(bytesOf(near))).toBe(true);
        expect(toLocal.equals(bytesOf(far))).toBe(true);
        expect(outcome).toEqual({
          received: bytesOf(far).length,
          sent: bytesOf(near).length,
          failure: undefined,
          unwritten: 0,
          local: false,
        });
      }),
      { numRuns },
    ),
  );

  test("a peer that vanishes at any point ends the relay with a failure", () =>
    fc.assert(
      fc.asyncProperty(side, fc.nat(6), async (far, survives) => {
        const [nearEnd, local] = duplexPair();
        const [farEnd, peer] = duplexPair();
        const ends = endpoint(local);
        const running = relay({ source: ends.source, sink: ends.sink }, endpoint(peer), rules());
        nearEnd.resume();
        nearEnd.write("from here");
        for (const piece of far.pieces) farEnd.write(piece);
        await turns(survives);
        peer.destroy();
        const outcome = await running;
        for (const stream of [nearEnd, local, farEnd]) stream.destroy();
        expect(outcome.failure).toMatchObject({ exitCode: 8, code: "ECONNRESET" });
        expect(outcome.local).toBe(false);
      }),
      { numRuns: 50 },
    ));
});

import { join } from "node:path";
import { closeSync, openSync, rmSync, statSync } from "node:fs";
import type { Attempt } from "../attempt.ts";
import type { Cell, Metric, Scale, Target, Unable } from "../cell.ts";
import { freePort, MeasureFailure, type Started, waitForListener } from "../processes.ts";
import type { OfTools } from "../tools.ts";

/** How the tools are told to do it over one kind of socket. */
export interface Transport {
  name: "TCP" | "UNIX" | "TLS";
  send: OfTools<string | Unable>;
  receive: OfTools<string | Unable>;
}

/** One that is measured both ways at once, too. */
interface TwoWay extends Transport {
  both: OfTools<string>;
}

export const tcp = {
  name: "TCP",
  send: {
    portcat: "portcat tcp connect 127.0.0.1 PORT -q",
    nc: "nc -N 127.0.0.1 PORT",
    ncat: "ncat --send-only 127.0.0.1 PORT",
    socat: "socat -u - TCP:127.0.0.1:PORT",
  },
  receive: {
    portcat: "portcat tcp listen 127.0.0.1 PORT -q --receive-only",
    nc: "nc -l -d 127.0.0.1 PORT",
    ncat: "ncat -l --recv-only 127.0.0.1 PORT",
    socat: "socat -u TCP-LISTEN:PORT,bind=127.0.0.1 -",
  },
  both: {
    portcat: "portcat tcp connect 127.0.0.1 PORT -q",
    nc: "nc -N 127.0.0.1 PORT",
    ncat: "ncat 127.0.0.1 PORT",
    socat: "socat - TCP:127.0.0.1:PORT",
  },
} satisfies TwoWay;

const unix: TwoWay = {
  name: "UNIX",
  send: {
    portcat: "portcat unix connect PATH -q",
    nc: "nc -N -U PATH",
    ncat: "ncat --send-only -U PATH",
    socat: "socat -u - UNIX-CONNECT:PATH",
  },
  receive: {
    portcat: "portcat unix listen PATH -q --receive-only",
    nc: "nc -l -d -U PATH",
    ncat: "ncat -l --recv-only -U PATH",
    socat: "socat -u UNIX-LISTEN:PATH -",
  },
  both: {
    portcat: "portcat unix connect PATH -q",
    nc: "nc -N -U PATH",
    ncat: "ncat -U PATH",
    socat: "socat - UNIX-CONNECT:PATH",
  },
};

export function gigabytesPerSecond(target: Target, unpinned: Target = target): Metric {
  return {
    key: "rate",
    label: "",
    unit: "GB/s",
    better: "higher",
    decimals: 2,
    target: { pinned: target, unpinned },
  };
}

/** Warming up needs less than measuring. */
function bytesOf({ bench, warmUp }: Attempt): number {
  return bench.scale.throughputBytes / (warmUp ? 8 : 1);
}

function rate(bytes: number, startNs: number, endNs: number): Record<string, number> {
  if (!(endNs > startNs)) throw new MeasureFailure("failed: no time passed");
  return { rate: bytes / (endNs - startNs) };
}

function expectBytes(where: string, found: number, expected: number): void {
  if (found !== expected)
    throw new MeasureFailure(`lost bytes: ${where} ${String(found)} of ${String(expected)}`);
}

/** What tools and far ends are told; over TLS also where the certificate is. */
async function valuesOf(attempt: Attempt, transport: Transport): Promise<Record<string, string>> {
  const values = { PATH: attempt.path() };
  if (transport.name !== "TLS") return values;
  const { cert, key } = await attempt.bench.workspace.certificate();
  return { ...values, CERT: cert, KEY: key };
}

const endOf = ({ name }: Transport, end: string) => (name === "TLS" ? `tls-${end}` : end);

/** Starts a far end that listens. */
async function listen(
  attempt: Attempt,
  transport: Transport,
  name: string,
  ...rest: (string | number)[]
): Promise<{ end: Started; values: Record<string, string> }> {
  const values = await valuesOf(attempt, transport);
  const { PATH = "", CERT, KEY } = values;
  const place = transport.name === "UNIX" ? PATH : 0;
  const identity = CERT !== undefined && KEY !== undefined ? [CERT, KEY] : [];
  const end = attempt.end(endOf(transport, name), [place, ...identity, ...rest]);
  const { port } = await end.says("ready", "port");
  return { end, values: { ...values, PORT: String(port) } };
}

/** stdin of a tool: a file, or a pipe that a far end writes to. */
async function openInput(attempt: Attempt, kind: "file" | "pipe", bytes: number): Promise<number> {
  if (kind === "file") return attempt.open(attempt.bench.workspace.inputFile(bytes), "r");
  const pipe = await attempt.pipe();
  attempt.end("feed", [bytes], { stdout: pipe.write });
  attempt.close(pipe.write);
  return pipe.read;
}

/** The tool connects; from the accept to the end seen there. */
export async function measureSend(
  attempt: Attempt,
  transport: Transport,
  input: "file" | "pipe",
  bytes = bytesOf(attempt),
): Promise<Record<string, number>> {
  const stdin = await openInput(attempt, input, bytes);
  const { end, values } = await listen(attempt, transport, "sink");
  const tool = attempt.start(values, { stdin });
  attempt.close(stdin);
  const received = await end.says("done", "start", "end", "bytes");
  await attempt.ended(tool);
  expectBytes("received", received.bytes, bytes);
  return rate(bytes, received.start, received.end);
}

/**
 * The tool listens. To /dev/null and to a file: from the connection to the tool's end, as the far end sees it; to a
 * pipe: to its last byte.
 */
export async function measureReceive(
  attempt: Attempt,
  transport: Transport,
  output: "null" | "file" | "pipe",
  bytes = bytesOf(attempt),
): Promise<Record<string, number>> {
  const port = await freePort();
  const values: Record<string, string> = { ...(await valuesOf(attempt, transport)), PORT: port };
  const file = join(attempt.bench.workspace.files, "output");
  let stdout = -1;
  let drain: Started | undefined;
  if (output === "file") stdout = attempt.open(file, "w");
  if (output === "pipe") {
    const pipe = await attempt.pipe();
    drain = attempt.end("drain", [0], { stdin: pipe.read });
    attempt.close(pipe.read);
    stdout = pipe.write;
  }
  try {
    const tool = attempt.start(values, { stdout: stdout < 0 ? "ignore" : stdout });
    if (stdout >= 0) attempt.close(stdout);
    const kind = transport.name === "UNIX" ? "unix" : "tcp";
    const place = kind === "unix" ? (values["PATH"] ?? "") : port;
    await waitForListener(kind, place, attempt.over);
    const source = attempt.end(endOf(transport, "source"), [place, bytes]);
    const sent = await source.says("done", "start", "end", "bytes", "clean");
    const drained = await drain?.says("done", "last", "bytes");
    await attempt.ended(tool);
    expectBytes("sent", sent.bytes, bytes);
    if (drained) expectBytes("came out", drained.bytes, bytes);
    if (output === "file") expectBytes("written", statSync(file).size, bytes);
    if (output === "null" && sent.clean !== 1)
      throw new MeasureFailure("lost bytes: it left with a reset");
    return rate(bytes, sent.start, drained?.last ?? sent.end);
  } finally {
    rmSync(file, { force: true });
  }
}

/** The tool connects, and bytes go both ways; until they are complete both ways. */
async function measureBoth(
  attempt: Attempt,
  transport: Transport,
  kind: "file" | "pipe",
): Promise<Record<string, number>> {
  const bytes = bytesOf(attempt);
  const file = join(attempt.bench.workspace.files, "output");
  const stdin = await openInput(attempt, kind, bytes);
  try {
    let stdout: number;
    let drain: Started | undefined;
    if (kind === "file") {
      closeSync(openSync(file, "w"));
      stdout = attempt.open(file, "r+");
    } else {
      const pipe = await attempt.pipe();
      drain = attempt.end("drain", [0], { stdin: pipe.read });
      attempt.close(pipe.read);
      stdout = pipe.write;
    }
    const { end, values } = await listen(
      attempt,
      transport,
      "duplex",
      bytes,
      ...(kind === "file" ? [file] : []),
    );
    const tool = attempt.start(values, { stdin, stdout });
    attempt.close(stdin, stdout);
    const received = await end.says("received", "start", "last", "bytes");
    const sent = await end.says("sent", "start", "last", "bytes");
    expectBytes("received", received.bytes, bytes);
    expectBytes("sent", sent.bytes, bytes);
    const out = drain
      ? await drain.says("done", "last", "bytes")
      : await end.says("written", "start", "last", "bytes");
    await attempt.ended(tool);
    expectBytes("came out", out.bytes, bytes);
    return rate(bytes * 2, received.start, Math.max(received.last, out.last));
  } finally {
    rmSync(file, { force: true });
  }
}

/** Bytes a second through one connection, one way and both ways, for each kind of stdin and stdout. */
export function throughputCells({ modes, throughputBytes }: Scale): Cell[] {
  return [tcp, unix].flatMap((transport): Cell[] => {
    const { name, send, receive, both } = transport;
    // What is asked for over TCP; a UNIX socket shall be no worse than the best peer's.
    const target = (ratio: number, unpinned = ratio) =>
      name === "TCP"
        ? gigabytesPerSecond({ ratio }, { ratio: unpinned })
        : gigabytesPerSecond({ ratio: 1 });
    const oneWay = "GB/s from the connection to the end";
    const cell = (
      what: string,
      tools: Cell["tools"],
      metric: Metric,
      note: string,
      measure: Cell["measure"],
    ): Cell => ({
      name: what,
      modes,
      metrics: [metric],
      tools,
      note,
      bytes: tools === both ? 2 * throughputBytes : throughputBytes,
      measure,
    });
    return [
      cell(`file -> ${name}`, send, target(1.25), oneWay, (attempt) =>
        measureSend(attempt, transport, "file"),
      ),
      cell(`pipe -> ${name}`, send, target(1), oneWay, (attempt) =>
        measureSend(attempt, transport, "pipe"),
      ),
      cell(`${name} -> /dev/null`, receive, target(1), oneWay, (attempt) =>
        measureReceive(attempt, transport, "null"),
      ),
      cell(`${name} -> file`, receive, target(1), oneWay, (attempt) =>
        measureReceive(attempt, transport, "file"),
      ),
      cell(`${name} -> pipe`, receive, target(1, 1.3), oneWay, (attempt) =>
        measureReceive(attempt, transport, "pipe"),
      ),
      cell(`pipe <-> ${name}`, both, target(1.1), "both ways added up", (attempt) =>
        measureBoth(attempt, transport, "pipe"),
      ),
      cell(`file <-> ${name}`, both, target(1.1), "both ways added up", (attempt) =>
        measureBoth(attempt, transport, "file"),
      ),
    ];
  });
}

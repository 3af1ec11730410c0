import type { Cell, Scale } from "../cell.ts";
import { freePort, MeasureFailure, waitForListener } from "../processes.ts";

const datagramBytes = 512;

/** nc reads stdin again before it sends, as long as there is something to read. */
const readsPerDatagramOfNc = 2;

/** Now and then nc's reads are not in step. */
const mostOddShare = 0.05;

/** Nothing more is on its way when stdout has been silent for so long. */
const quietMs = 500;

/** The share of datagrams that do not come out, at rates that a receiver must be quick for. */
export function udpReceiveCells({ datagramRates, datagramSeconds }: Scale): Cell[] {
  return datagramRates.map((rate): Cell => ({
    name: `UDP receive, ${String(rate / 1000)}k/s`,
    modes: ["pinned"],
    metrics: [
      {
        key: "lost",
        label: "lost",
        unit: "%",
        better: "lower",
        decimals: 2,
        ...(rate < 300_000 ? {} : { target: { pinned: { value: 1, aheadOfPeers: true } } }),
      },
      {
        key: "sent",
        label: "sent",
        unit: "k/s",
        better: "higher",
        decimals: 1,
        compared: false,
      },
    ],
    tools: {
      portcat: "portcat udp bind 127.0.0.1 PORT -q",
      nc: "nc -u -l -d 127.0.0.1 PORT",
      ncat: "ncat -u -l --recv-only 127.0.0.1 PORT",
      socat: "socat -u UDP-RECV:PORT,bind=127.0.0.1 -",
    },
    note: `${String(datagramBytes)}-byte datagrams for ${String(datagramSeconds)} s, stdout a pipe; sent is the rate really reached`,
    measure: async (attempt) => {
      const count = Math.round(rate * datagramSeconds);
      const port = await freePort();
      const pipe = await attempt.pipe();
      const drain = attempt.end("drain", [0, quietMs], { stdin: pipe.read });
      const tool = attempt.start({ PORT: port }, { stdout: pipe.write });
      attempt.close(pipe.read, pipe.write);
      await waitForListener("udp", port);
      const source = attempt.end("udp-source", [port, datagramBytes, rate, count], {
        stdin: "pipe",
      });
      // Single bytes are sent until one has come out: fewer than a datagram's worth of them.
      await drain.says("first");
      source.stdin?.end("go");
      const [start = 0, end = 0] = await source.says("done");
      let [quietAt = 0] = await drain.says("quiet");
      while (quietAt < end + quietMs * 1e6) [quietAt = 0] = await drain.says("quiet");
      await attempt.stop(tool, "SIGTERM", 1000);
      const [, bytes = 0] = await drain.says("done");
      const received = Math.floor(bytes / datagramBytes);
      if (received > count) throw new MeasureFailure("failed: more came out than was sent");
      return { lost: (100 * (count - received)) / count, sent: (count / (end - start)) * 1e6 };
    },
  }));
}

/** Datagrams a second that a tool can send. */
export function udpSendCells({ datagramsSent }: Scale): Cell[] {
  return [
    {
      name: "UDP send",
      modes: ["pinned"],
      warmUp: false,
      metrics: [
        {
          key: "rate",
          label: "rate",
          unit: "k/s",
          better: "higher",
          decimals: 1,
          target: { pinned: { ratio: 1 } },
        },
        {
          key: "arrived",
          label: "arrived",
          unit: "%",
          better: "higher",
          decimals: 2,
          compared: false,
        },
      ],
      tools: {
        portcat: `portcat udp send 127.0.0.1 PORT -q --chunk ${String(datagramBytes)}`,
        nc: "nc -u 127.0.0.1 PORT",
        ncat: "ncat -u 127.0.0.1 PORT",
        socat: `socat -u -b${String(datagramBytes)} - UDP:127.0.0.1:PORT`,
      },
      note: `${String(datagramBytes)}-byte datagrams; stdin is a file, for nc and ncat a socket whose reads are one datagram each`,
      measure: async (attempt) => {
        const count = datagramsSent;
        const sink = attempt.end("udp-sink", [datagramBytes]);
        const [port = 0] = await sink.says("ready");
        const values = { PORT: String(port) };
        if (attempt.tool === "nc" || attempt.tool === "ncat") {
          const reads = attempt.tool === "nc" ? readsPerDatagramOfNc : 1;
          const tool = attempt.toolArguments(values);
          attempt.end("datagram-stdin", [count * reads, datagramBytes / reads, ...tool], {
            stdout: "ignore",
          });
        } else {
          const file = attempt.bench.workspace.inputFile(count * datagramBytes);
          attempt.start(values, { stdin: attempt.open(file, "r") });
        }
        const [first = 0, last = 0, arrived = 0, others = 0] = await sink.says("done");
        if (arrived < 2 || others > arrived * mostOddShare)
          throw new MeasureFailure(
            `failed: ${String(arrived)} datagrams of ${String(datagramBytes)} bytes, ${String(others)} others`,
          );
        return { rate: ((arrived - 1) / (last - first)) * 1e6, arrived: (100 * arrived) / count };
      },
    },
  ];
}

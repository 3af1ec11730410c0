import { setTimeout as sleep } from "node:timers/promises";
import { type Cell, MiB, type Scale, type Target, type Unable } from "../cell.ts";
import { describeExit } from "../attempt.ts";
import { freePort, MeasureFailure, type Started, waitForListener } from "../processes.ts";
import type { OfTools } from "../tools.ts";

const datagramBytes = 512;

/** For the tools that can be told how much the system may hold for them. */
const bufferBytes = 8 * MiB;

/** nc reads stdin again before it sends, as long as there is something to read. */
const readsPerDatagramOfNc = 2;

/** Now and then nc's reads are not in step. */
const mostOddShare = 0.05;

/** A sender has so long to end after its last datagram has come. */
const endedMs = 5_000;

/** Nothing more is on its way when stdout has been silent for so long. */
const quietMs = 500;

/** As nobody has told them how much the system may hold for them. */
const withDefaults: OfTools<string> = {
  portcat: "portcat udp bind 127.0.0.1 PORT -q",
  nc: "nc -u -l -d 127.0.0.1 PORT",
  ncat: "ncat -u -l --recv-only 127.0.0.1 PORT",
  socat: "socat -u UDP-RECV:PORT,bind=127.0.0.1 -",
};

const withLargeBuffers: OfTools<string | Unable> = {
  portcat: withDefaults.portcat,
  nc: `nc -u -l -d -I ${String(bufferBytes)} 127.0.0.1 PORT`,
  ncat: { unable: "has no option for the buffer" },
  socat: `socat -u UDP-RECV:PORT,bind=127.0.0.1,rcvbuf=${String(bufferBytes)} -`,
};

function udpReceiveCell(
  rate: number,
  seconds: number,
  what: Pick<Cell, "name" | "tools" | "note">,
  target?: Target,
): Cell {
  return {
    ...what,
    modes: ["pinned"],
    metrics: [
      {
        key: "lost",
        label: "lost",
        unit: "%",
        better: "lower",
        decimals: 2,
        ...(target && { target: { pinned: target } }),
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
    measure: async (attempt) => {
      const count = Math.round(rate * seconds);
      const port = await freePort();
      const pipe = await attempt.pipe();
      const drain = attempt.end("drain", [0, quietMs], { stdin: pipe.read });
      const tool = attempt.start({ PORT: port }, { stdout: pipe.write });
      attempt.close(pipe.read, pipe.write);
      await waitForListener("udp", port, attempt.over);
      const source = attempt.end("udp-source", [port, datagramBytes, rate, count], {
        stdin: "pipe",
      });
      // Single bytes are sent until one has come out: fewer than a datagram's worth of them.
      await drain.says("first");
      source.stdin?.end("go");
      const { start, end } = await source.says("done", "start", "end");
      let quiet = await drain.says("quiet", "at");
      while (quiet.at < end + quietMs * 1e6) quiet = await drain.says("quiet", "at");
      await attempt.stop(tool, "SIGTERM", 1000);
      const { bytes } = await drain.says("done", "last", "bytes");
      const received = Math.floor(bytes / datagramBytes);
      if (received > count) throw new MeasureFailure("failed: more came out than was sent");
      return { lost: (100 * (count - received)) / count, sent: (count / (end - start)) * 1e6 };
    },
  };
}

/** The share of datagrams that do not come out, at rates that a receiver must be quick for. */
export function udpReceiveCells({ datagramRates, datagramSeconds }: Scale): Cell[] {
  const about = `${String(datagramBytes)}-byte datagrams for ${String(datagramSeconds)} s, stdout a pipe; sent is the rate really reached`;
  const nameOf = (rate: number) => `UDP receive, ${String(rate / 1000)}k/s`;
  const most = Math.max(...datagramRates);
  return [
    ...datagramRates.map((rate) =>
      udpReceiveCell(
        rate,
        datagramSeconds,
        {
          name: nameOf(rate),
          tools: withDefaults,
          note: `default buffers: portcat asks for 8 MiB by itself, the others have net.core.rmem_default; ${about}`,
        },
        rate < 300_000 ? undefined : { value: 1, aheadOfPeers: true },
      ),
    ),
    udpReceiveCell(most, datagramSeconds, {
      name: `${nameOf(most)}, 8 MiB buffers`,
      tools: withLargeBuffers,
      note: `all ask for 8 MiB, and have as much of it as net.core.rmem_max lets them; ${about}`,
    }),
  ];
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
      note: `${String(datagramBytes)}-byte datagrams; portcat and socat read a file; nc and ncat, which send what a read gives them, a socket that gives a datagram a read (nc: half a one), fed by a process on the core of the receiver`,
      measure: async (attempt) => {
        const count = datagramsSent;
        const sink = attempt.end("udp-sink", [datagramBytes]);
        const { port } = await sink.says("ready", "port");
        const values = { PORT: String(port) };
        const isFed = attempt.tool === "nc" || attempt.tool === "ncat";
        let sender: Started;
        if (isFed) {
          const reads = attempt.tool === "nc" ? readsPerDatagramOfNc : 1;
          const tool = attempt.toolArguments(values);
          sender = attempt.end("datagram-stdin", [count * reads, datagramBytes / reads, ...tool], {
            stdout: "ignore",
          });
        } else {
          const file = attempt.bench.workspace.inputFile(count * datagramBytes);
          sender = attempt.start(values, { stdin: attempt.open(file, "r") });
        }
        const { first, last, arrived, others } = await sink.says(
          "done",
          "first",
          "last",
          "arrived",
          "others",
        );
        // nc and ncat wait for answers after the end of stdin; if they have ended it was too early, or an error.
        const exit = await Promise.race([sender.exit, sleep(isFed ? 50 : endedMs)]);
        if (exit ? exit.code !== 0 : !isFed)
          throw new MeasureFailure(
            exit ? describeExit(exit, sender.stderr()) : "failed: it did not end with its stdin",
          );
        if (arrived < 2 || others > arrived * mostOddShare)
          throw new MeasureFailure(
            `failed: ${String(arrived)} datagrams of ${String(datagramBytes)} bytes, ${String(others)} others`,
          );
        return { rate: ((arrived - 1) / (last - first)) * 1e6, arrived: (100 * arrived) / count };
      },
    },
  ];
}

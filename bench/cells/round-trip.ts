import type { Cell, Metric, Scale } from "../cell.ts";
import { freePort } from "../processes.ts";
import { tcp } from "./throughput.ts";

function percentile(key: string): Metric {
  const target = { ratio: 1.15 };
  return {
    key,
    label: key,
    unit: "µs",
    better: "lower",
    decimals: 1,
    target: { pinned: target, unpinned: target },
  };
}

/** From a pipe through the tool to a TCP peer and back: how long a byte, or 1 KiB, takes. */
export function roundTripCells({ roundTrips, modes }: Scale): Cell[] {
  return [1, 1024].map((size): Cell => ({
    name: `round trip of ${size === 1 ? "1 byte" : "1 KiB"}`,
    modes,
    metrics: [percentile("p50"), percentile("p99")],
    tools: tcp.both,
    note: "stdin to the peer, and back to stdout",
    measure: async (attempt) => {
      const port = await freePort();
      const trips = attempt.warmUp ? 1 : roundTrips;
      const end = attempt.end("round-trip", [
        port,
        size,
        Math.ceil(roundTrips / 10),
        trips,
        ...attempt.toolArguments({ PORT: port }),
      ]);
      const { p50, p99 } = await end.says("done", "p50", "p99");
      return { p50: p50 / 1000, p99: p99 / 1000 };
    },
  }));
}

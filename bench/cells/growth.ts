import type { Attempt } from "../attempt.ts";
import { type Cell, GiB, type Metric, MiB, type Scale, type Unable } from "../cell.ts";
import { memoryKiB } from "../processes.ts";
import { measureReceive, measureSend, tcp } from "./throughput.ts";

const alone: Unable = { unable: "portcat alone" };

const metrics: Metric[] = [
  { key: "seconds", label: "time", unit: "s", better: "lower", decimals: 3 },
  { key: "rate", label: "rate", unit: "GB/s", better: "higher", decimals: 2 },
  { key: "memory", label: "peak memory (RSS)", unit: "MiB", better: "lower", decimals: 1 },
];

/** Measures, and looks at the tool's peak of resident memory as long as it runs. */
async function withPeak(
  attempt: Attempt,
  bytes: number,
  measure: (attempt: Attempt) => Promise<Record<string, number>>,
): Promise<Record<string, number>> {
  let peakKiB = 0;
  let timer: NodeJS.Timeout | undefined;
  try {
    const figures = await measure({
      ...attempt,
      start: (...given) => {
        const tool = attempt.start(...given);
        timer = setInterval(() => {
          peakKiB = Math.max(peakKiB, memoryKiB(tool.pid, "VmHWM"));
        }, 10);
        return tool;
      },
    });
    const { rate = 0 } = figures;
    return { rate, seconds: bytes / rate / 1e9, memory: peakKiB / 1024 };
  } finally {
    clearInterval(timer);
  }
}

/** Time must grow with the bytes, and memory not at all. */
export function growthCells(scale: Scale): Cell[] {
  return scale.growthBytes.flatMap((bytes): Cell[] => {
    const size = bytes < GiB ? `${String(bytes / MiB)} MiB` : `${String(bytes / GiB)} GiB`;
    const common = {
      modes: ["pinned" as const],
      rounds: bytes > GiB ? 1 : scale.fewRounds,
      bytes,
      warmUp: false as const,
      metrics,
    };
    const others = { nc: alone, ncat: alone, socat: alone };
    return [
      {
        ...common,
        name: `growth, pipe -> TCP, ${size}`,
        tools: { ...others, portcat: tcp.send.portcat },
        measure: (attempt) =>
          withPeak(attempt, bytes, (watched) => measureSend(watched, tcp, "pipe", bytes)),
      },
      {
        ...common,
        name: `growth, TCP -> pipe, ${size}`,
        tools: { ...others, portcat: tcp.receive.portcat },
        measure: (attempt) =>
          withPeak(attempt, bytes, (watched) => measureReceive(watched, tcp, "pipe", bytes)),
      },
    ];
  });
}

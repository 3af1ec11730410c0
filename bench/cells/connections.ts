import { writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Attempt } from "../attempt.ts";
import type { Cell, Figures, Scale } from "../cell.ts";
import {
  freePort,
  groupMemoryKiB,
  groupMemoryKind,
  MeasureFailure,
  type Started,
  waitForListener,
} from "../processes.ts";

/** What each client sends, and is sent. */
const messageBytes = 1024;

/** How long clients wait to be served. */
const servedMs = 20_000;

/** The numbers of a line, or none if it has not come in time. */
async function within<Line>(ms: number, line: Promise<Line>): Promise<Line | undefined> {
  const over = new AbortController();
  try {
    return await Promise.race([line, sleep(ms, undefined, { signal: over.signal })]);
  } finally {
    over.abort();
  }
}

/** Starts a listener and a drain of its stdout. */
async function startListener(
  attempt: Attempt,
  expected: number,
  stdin: number | "ignore",
): Promise<{ port: string; tool: Started; drain: Started }> {
  const port = await freePort();
  const output = await attempt.pipe();
  const drain = attempt.end("drain", [expected], { stdin: output.read });
  const tool = attempt.start({ PORT: port }, { stdin, stdout: output.write });
  attempt.close(output.read, output.write);
  await waitForListener("tcp", port, attempt.over);
  return { port, tool, drain };
}

async function measureClients(attempt: Attempt, count: number): Promise<Figures> {
  const stdin = await attempt.pipe();
  const { port, tool, drain } = await startListener(attempt, count * messageBytes, stdin.read);
  attempt.close(stdin.read);
  // An event loop that has started is not yet one that has settled.
  await sleep(300);
  const idleKiB = groupMemoryKiB(tool.pid);

  const clients = attempt.end("clients", [port, count], { stdin: "pipe" });
  const connected = await within(servedMs, clients.says("connected", "start"));
  const reached = connected && (await within(servedMs, drain.says("reached", "at")));
  const answers = attempt.tool !== "socat";
  if (answers && reached) {
    writeSync(stdin.write, Buffer.alloc(messageBytes, "answer "));
    await within(servedMs, clients.says("answered"));
  }
  const servedKiB = groupMemoryKiB(tool.pid);
  clients.stdin?.end();
  const { answered, lost: gone } = await clients.says("done", "answered", "lost");
  await attempt.stop(tool, "SIGTERM", 5000);
  const { bytes } = await drain.says("done", "last", "bytes");

  const heard = Math.floor(bytes / messageBytes);
  const lost = Math.max(count - heard, answers ? count - answered : gone);
  const ofAll = `of ${String(count)} clients`;
  return {
    served: reached
      ? (reached.at - connected.start) / 1e9
      : `failed: ${String(heard)} ${ofAll} were heard within ${String(servedMs / 1000)} s`,
    lost,
    memory:
      lost < count
        ? (servedKiB - idleKiB) / (count - lost)
        : `failed: ${String(count - lost)} ${ofAll} were served`,
  };
}

/** Many clients at a time, held by one listener. */
export function clientCells(scale: Scale): Cell[] {
  return scale.clients.map((count): Cell => ({
    name: `${count.toLocaleString("en")} clients`,
    modes: ["unpinned"],
    rounds: scale.fewRounds,
    warmUp: false,
    manyDescriptors: true,
    metrics: [
      { key: "served", label: "until all were heard", unit: "s", better: "lower", decimals: 2 },
      {
        key: "lost",
        label: "refused or lost",
        unit: "clients",
        better: "lower",
        decimals: 0,
        ...(count < 10_000 ? {} : { target: { unpinned: { value: 0 } } }),
      },
      {
        key: "memory",
        label: `memory of each (${groupMemoryKind})`,
        unit: "KiB",
        better: "lower",
        decimals: 1,
        ...(count < 10_000 ? {} : { target: { unpinned: { value: 10 } } }),
      },
    ],
    tools: {
      portcat: "portcat tcp listen 127.0.0.1 PORT --keep-open -q",
      nc: { unable: "serves one client at a time" },
      ncat: "ncat -l -k -m 20000 127.0.0.1 PORT",
      socat: "socat TCP-LISTEN:PORT,bind=127.0.0.1,fork,backlog=4096 -",
    },
    note: "each sends 1 KiB, and is sent 1 KiB from stdin (not by socat, whose stdin goes to one of them); memory over the idle listener's, of all processes",
    measure: (attempt) => measureClients(attempt, count),
  }));
}

/** Connections that bring ten bytes and end. */
export function shortConnectionCells({ shortConnections }: Scale): Cell[] {
  return [
    {
      name: "short connections",
      modes: ["unpinned"],
      metrics: [{ key: "rate", label: "", unit: "1/s", better: "higher", decimals: 0 }],
      tools: {
        portcat: "portcat tcp listen 127.0.0.1 PORT --keep-open -q",
        nc: "nc -l -k -d 127.0.0.1 PORT",
        ncat: "ncat -l -k -m 20000 --recv-only 127.0.0.1 PORT",
        socat: "socat -u TCP-LISTEN:PORT,bind=127.0.0.1,fork,backlog=4096 -",
      },
      note: "10 bytes each, 16 at a time (nc, which serves one at a time: one); stdin is /dev/null",
      measure: async (attempt) => {
        const count = attempt.warmUp ? 100 : shortConnections;
        const { port, tool, drain } = await startListener(attempt, count * 10, "ignore");
        const clients = attempt.end("short-connections", [
          port,
          count,
          attempt.tool === "nc" ? 1 : 16,
        ]);
        const { start, end, good } = await clients.says("done", "start", "end", "good");
        await within(1000, drain.says("reached", "at"));
        await attempt.stop(tool, "SIGTERM", 5000);
        const { bytes } = await drain.says("done", "last", "bytes");
        if (good < count)
          throw new MeasureFailure(`failed: ${String(good)} of ${String(count)} were served`);
        if (bytes !== count * 10)
          throw new MeasureFailure(`lost bytes: ${String(bytes)} of ${String(count * 10)}`);
        return { rate: (count / (end - start)) * 1e9 };
      },
    },
  ];
}

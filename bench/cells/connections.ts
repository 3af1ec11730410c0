import { writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Attempt } from "../attempt.ts";
import type { Cell, Scale } from "../cell.ts";
import {
  freePort,
  groupMemoryKiB,
  MeasureFailure,
  type Started,
  waitForListener,
} from "../processes.ts";

/** What each client sends, and is sent. */
const messageBytes = 1024;

/** How long clients wait to be served. */
const servedMs = 20_000;

/** The numbers of a line, or none if it has not come in time. */
async function within(ms: number, line: Promise<number[]>): Promise<number[] | undefined> {
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
  await waitForListener("tcp", port);
  return { port, tool, drain };
}

async function measureClients(attempt: Attempt, count: number): Promise<Record<string, number>> {
  const stdin = await attempt.pipe();
  const { port, tool, drain } = await startListener(attempt, count * messageBytes, stdin.read);
  attempt.close(stdin.read);
  // An event loop that has started is not yet one that has settled.
  await sleep(300);
  const idleKiB = groupMemoryKiB(tool.pid);

  const clients = attempt.end("clients", [port, count], { stdin: "pipe" });
  const [start = 0] = (await within(servedMs, clients.says("connected"))) ?? [];
  const [reachedNs] = (await within(servedMs, drain.says("reached"))) ?? [];
  const answers = attempt.tool !== "socat";
  if (answers && reachedNs !== undefined) {
    writeSync(stdin.write, Buffer.alloc(messageBytes, "answer "));
    await within(servedMs, clients.says("answered"));
  }
  const servedKiB = groupMemoryKiB(tool.pid);
  clients.stdin?.end();
  const [answered = 0, ended = 0] = await clients.says("done");
  await attempt.stop(tool, "SIGTERM", 5000);
  const [, bytes = 0] = await drain.says("done");

  const heard = Math.floor(bytes / messageBytes);
  const lost = Math.max(count - heard, answers ? count - answered : ended);
  return {
    ...(reachedNs === undefined ? {} : { served: (reachedNs - start) / 1e9 }),
    lost,
    ...(lost === count ? {} : { memory: (servedKiB - idleKiB) / (count - lost) }),
  };
}

/** Many clients at a time, held by one listener. */
export function clientCells(scale: Scale): Cell[] {
  return scale.clients.map((count): Cell => ({
    name: `${count.toLocaleString("en")} clients`,
    modes: ["unpinned"],
    rounds: Math.min(scale.fewRounds, scale.rounds),
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
        label: "memory of each",
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
    note: "each sends 1 KiB, and is sent 1 KiB from stdin (not by socat, whose stdin goes to one of them); resident memory over the idle listener's, of all processes",
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
        const [start = 0, end = 0, good = 0] = await clients.says("done");
        await within(1000, drain.says("reached"));
        await attempt.stop(tool, "SIGTERM", 5000);
        const [, bytes = 0] = await drain.says("done");
        if (good < count)
          throw new MeasureFailure(`failed: ${String(good)} of ${String(count)} were served`);
        if (bytes !== count * 10)
          throw new MeasureFailure(`lost bytes: ${String(bytes)} of ${String(count * 10)}`);
        return { rate: (count / (end - start)) * 1e9 };
      },
    },
  ];
}

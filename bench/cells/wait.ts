import type { Attempt } from "../attempt.ts";
import type { Cell, Scale } from "../cell.ts";
import { freePort, MeasureFailure } from "../processes.ts";

/** Waiting processes have started by then, and look again and again. */
const firstMomentMs = 500;
const momentsMs = 1000;

/**
 * When the service comes up after the waiting process's start: at another moment of that second in each round, so that
 * no tool's pauses are in step with it, and at the same ones for all. Multiples of the golden ratio are spread evenly,
 * however many there are.
 */
function momentMs(round: number): number {
  return firstMomentMs + momentsMs * (((round + 1) * 0.618034) % 1);
}

/** From the spawn to the exit, and from the service to the exit, in milliseconds. */
async function timeService(attempt: Attempt, kind: "tcp" | "http", delayMs: number) {
  const port = await freePort();
  const end = attempt.end("service-time", [
    kind,
    port,
    Math.round(delayMs * 1000),
    ...attempt.toolArguments({ PORT: port }),
  ]);
  const { total, since, status } = await end.says("done", "total", "since", "status");
  if (status !== 0) throw new MeasureFailure(`failed: exit ${String(status)}`);
  return { total: total / 1e6, since: since / 1e6 };
}

const tcp: Cell["tools"] = {
  portcat: "portcat wait tcp:127.0.0.1:PORT",
  "wait-on": "wait-on tcp:127.0.0.1:PORT",
  "wait-port": "wait-port 127.0.0.1:PORT",
};

const http: Cell["tools"] = {
  portcat: "portcat wait http://127.0.0.1:PORT/",
  "wait-on": "wait-on http-get://127.0.0.1:PORT/",
  "wait-port": "wait-port http://127.0.0.1:PORT/",
};

/** How soon a waiting process sees that a service is up, and what it costs where it is up already. */
export function waitCells({ starts, waits }: Scale): Cell[] {
  const wait = (name: string, kind: "tcp" | "http", tools: Cell["tools"]): Cell => ({
    name,
    modes: ["unpinned"],
    rounds: waits,
    metrics: [
      {
        key: "since",
        label: "",
        unit: "ms",
        better: "lower",
        decimals: 1,
        target: { unpinned: { ratio: 1 } },
      },
    ],
    tools,
    note: "from the moment the service listens, 0.5 to 1.5 s after the start of who waits, to the exit; all look as often as they do by default",
    measure: async (attempt) => {
      const { since } = await timeService(attempt, kind, momentMs(attempt.round));
      return { since };
    },
  });
  return [
    wait("wait for TCP", "tcp", tcp),
    wait("wait for HTTP", "http", http),
    {
      name: "start, wait for what is up",
      modes: ["unpinned"],
      rounds: starts,
      metrics: [
        {
          key: "total",
          label: "",
          unit: "ms",
          better: "lower",
          decimals: 1,
          target: { unpinned: { aheadOfPeers: true } },
        },
      ],
      tools: tcp,
      note: "from spawn to exit",
      measure: async (attempt) => {
        const { total } = await timeService(attempt, "tcp", 0);
        return { total };
      },
    },
  ];
}

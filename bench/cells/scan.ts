import type { Attempt } from "../attempt.ts";
import type { Cell, Figures, Scale, Target, Unable } from "../cell.ts";
import { MeasureFailure } from "../processes.ts";

/** There and back, as between two machines of a network. */
const roundTripMs = 1;

/** Where the far end has its two hosts. */
const nearHost = "127.0.0.1";
const farHost = "192.0.2.2";

const alone: Unable = { unable: "portcat alone" };

interface Scan {
  name: string;
  note: string;
  /** From 1; the one in the middle is open. */
  ports: number;
  host: typeof nearHost | typeof farHost;
  filtered?: true;
  alone?: true;
  rounds: number;
  target?: Target;
}

/** From spawn to exit; a tool that has not come to the open port has not scanned. */
async function measureScan(attempt: Attempt, { ports, host, filtered }: Scan): Promise<Figures> {
  const end = attempt.end("scan-time", [
    host === farHost ? roundTripMs * 1000 : 0,
    Math.ceil(ports / 2),
    filtered ? 1 : 0,
    ...attempt.toolArguments({}),
  ]);
  const { ns, status, found } = await end.says("done", "ns", "status", "found");
  if (status !== 0) throw new MeasureFailure(`failed: exit ${String(status)}`);
  if (found !== 1) throw new MeasureFailure("failed: it has not come to the open port");
  return { seconds: ns / 1e9 };
}

function scanCell(scan: Scan): Cell {
  const { name, note, ports, host, filtered, rounds, target } = scan;
  const range = `1-${String(ports)}`;
  return {
    name,
    modes: ["unpinned"],
    rounds,
    warmUp: false,
    metrics: [
      {
        key: "seconds",
        label: "",
        unit: "s",
        better: "lower",
        decimals: 2,
        ...(target && { target: { unpinned: target } }),
      },
    ],
    tools: {
      portcat: `portcat scan ${host} ${range} --open-only --any`,
      nc: scan.alone ? alone : `nc -z${filtered ? " -w 1" : ""} ${host} ${range}`,
      nmap: scan.alone ? alone : `nmap -sT -Pn -n -p${range} -T4 ${host}`,
    },
    note: `one port is open, ${note}; from spawn to exit`,
    measure: (attempt) => measureScan(attempt, scan),
  };
}

/** How long it takes to ask many ports, in a network of their own that nobody else has services in. */
export function scanCells({ fewRounds, scannedPorts, filteredPorts }: Scale): Cell[] {
  const away = `${String(roundTripMs)} ms away`;
  const portsOf = (count: number) => `${count.toLocaleString("en")} ports`;
  const scans: Scan[] = [
    {
      name: `scan, ${portsOf(10_000)} on loopback`,
      note: "the others refuse at once",
      ports: 10_000,
      host: nearHost,
      rounds: fewRounds,
    },
    {
      name: `scan, ${portsOf(65_535)} on loopback`,
      note: "the others refuse at once",
      ports: 65_535,
      host: nearHost,
      alone: true,
      rounds: fewRounds,
    },
    {
      name: `scan, ${portsOf(scannedPorts)} ${away}`,
      note: `the others refuse after ${String(roundTripMs)} ms`,
      ports: scannedPorts,
      host: farHost,
      rounds: fewRounds,
      target: { toPeer: { peer: "nc", ratio: 0.2 } },
    },
    {
      name: `scan, ${portsOf(filteredPorts)}, filtered`,
      note: `${away}, the others say nothing; portcat and nc wait 1 s for each`,
      ports: filteredPorts,
      host: farHost,
      filtered: true,
      rounds: fewRounds,
    },
  ];
  return scans.map(scanCell);
}

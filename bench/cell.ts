import type { Attempt } from "./attempt.ts";
import type { OfTools, PeerName } from "./tools.ts";

/**
 * Where the processes run. Pinned: the tool alone on one core, everything else on another; steadier, and the truer
 * comparison of cost per byte. Unpinned: as the system likes.
 */
export type Mode = "pinned" | "unpinned";

/** What a cell must reach. With "higher is better" a bound is the least, otherwise the most. */
export interface Target {
  /** Of portcat's figure to the best peer's. */
  ratio?: number;
  /** Of portcat's figure to that of one peer, be it the best one or not. */
  toPeer?: { peer: PeerName; ratio: number };
  /** Of portcat's figure itself. */
  value?: number;
  /** No peer may be as good, unless both are perfect (0). */
  aheadOfPeers?: boolean;
}

/** One figure of a measurement; a row of the table. */
export interface Metric {
  key: string;
  /** Added to the cell's name, where a cell has several figures. */
  label: string;
  unit: string;
  better: "higher" | "lower";
  decimals: number;
  target?: Partial<Record<Mode, Target>>;
  /** False where the tools' figures are not the same thing. */
  compared?: false;
}

/** The figures of one measurement, by the metrics' keys; a string is why there is none. */
export type Figures = Record<string, number | string>;

/** A tool that cannot do a cell, and why. */
export interface Unable {
  unable: string;
}

/** One thing that is measured for each tool in turn. */
export interface Cell {
  name: string;
  modes: Mode[];
  metrics: Metric[];
  /** Of the tools that have a part in it: command lines, with PORT, PATH, CERT and KEY for what differs from one measurement to the next. */
  tools: OfTools<string | Unable>;
  /** What a reader of the figures should know. */
  note?: string;
  /** What one measurement moves, where that is much: it has more time. */
  bytes?: number;
  /** Counted rounds, where they are not as many as in most cells. */
  rounds?: number;
  /** The processes may open as many descriptors as the system lets them. */
  manyDescriptors?: true;
  /** False: no round that does not count. */
  warmUp?: false;
  /** The Node that runs portcat, if not the one that runs the benchmark. */
  node?: string;
  /** Measures once; throws a MeasureFailure. */
  measure(attempt: Attempt): Promise<Figures>;
}

/** How much is measured. */
export interface Scale {
  name: "full" | "quick";
  /** Counted ones; before them is one that is not, where `warmUp` says so. */
  rounds: number;
  /** The most for cells whose figures are steady, or take long. */
  fewRounds: number;
  warmUp: boolean;
  /** Of throughput and of round trips. */
  modes: Mode[];
  throughputBytes: number;
  roundTrips: number;
  /** Datagrams a second. */
  datagramRates: number[];
  datagramSeconds: number;
  datagramsSent: number;
  shortConnections: number;
  clients: number[];
  starts: number;
  waits: number;
  /** Of a host that is some way off. */
  scannedPorts: number;
  filteredPorts: number;
  growthBytes: number[];
}

export const MiB = 2 ** 20;
export const GiB = 2 ** 30;

export const fullScale: Scale = {
  name: "full",
  rounds: 7,
  fewRounds: 3,
  warmUp: true,
  modes: ["pinned", "unpinned"],
  throughputBytes: GiB,
  roundTrips: 20_000,
  datagramRates: [50_000, 150_000, 300_000],
  datagramSeconds: 3,
  datagramsSent: 500_000,
  shortConnections: 5_000,
  clients: [1_000, 10_000],
  starts: 30,
  waits: 20,
  scannedPorts: 10_000,
  filteredPorts: 20,
  growthBytes: [64 * MiB, GiB, 8 * GiB],
};

export const quickScale: Scale = {
  name: "quick",
  rounds: 3,
  fewRounds: 1,
  warmUp: false,
  modes: ["pinned"],
  throughputBytes: 128 * MiB,
  roundTrips: 2_000,
  datagramRates: [300_000],
  datagramSeconds: 0.5,
  datagramsSent: 100_000,
  shortConnections: 1_000,
  clients: [100],
  starts: 10,
  waits: 3,
  scannedPorts: 1_000,
  filteredPorts: 3,
  growthBytes: [64 * MiB, 256 * MiB, GiB],
};

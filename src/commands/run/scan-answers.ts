import { mostTelling, type Probe, type Verdict } from "../../probes/verdict.ts";

/** What is kept and told of what a service says. */
const mostBannerBytes = 256;

/** What the system says where it knows no way to an address. */
const noWay = [
  "ENETUNREACH",
  "EHOSTUNREACH",
  "ENETDOWN",
  "EHOSTDOWN",
  "EAFNOSUPPORT",
  "EADDRNOTAVAIL",
];

/** An answer, and the address that gave it. */
export type Answer = Verdict & { address: string };

/** What each port has answered, told in the order of the ports. */
export class Answers {
  readonly open: number[] = [];
  closed = 0;
  unanswered = 0;
  readonly #ports: readonly number[];
  readonly #addresses: number;
  readonly #tell: (port: number, answer: Answer) => void;
  readonly #heard = new Map<number, Answer[]>();
  readonly #codes = new Set<string | undefined>();
  #taken = 0;
  #told = 0;

  /** @param addresses - how many of them each port is asked at */
  constructor(
    ports: readonly number[],
    addresses: number,
    tell: (port: number, answer: Answer) => void,
  ) {
    this.#ports = ports;
    this.#addresses = addresses;
    this.#tell = tell;
  }

  take({ address, port }: Probe, { banner, ...verdict }: Verdict): void {
    const heard = this.#heard.get(port) ?? [];
    // A copy, which does not keep the rest in memory.
    const kept = banner && { banner: Buffer.from(banner.subarray(0, mostBannerBytes)) };
    heard.push({ address, ...verdict, ...kept });
    this.#codes.add(verdict.code);
    this.#heard.set(port, heard);
    this.#taken++;
    this.#tellNext();
  }

  #tellNext(): void {
    for (;;) {
      const port = this.#ports[this.#told];
      const all = port === undefined ? undefined : this.#heard.get(port);
      if (port === undefined || all === undefined || all.length < this.#addresses) return;
      this.#heard.delete(port);
      this.#told++;
      this.#tellOne(port, all);
    }
  }

  /** What has been answered of a scan that was ended, behind ports that had not. */
  tellRest(): void {
    const rest = [...this.#heard].toSorted(([a], [b]) => a - b);
    for (const [port, all] of rest) if (all.length === this.#addresses) this.#tellOne(port, all);
    this.#heard.clear();
  }

  #tellOne(port: number, all: readonly Answer[]): void {
    const answer = mostTelling(all);
    if (answer === undefined) return;
    if (answer.state === "open") this.open.push(port);
    else if (answer.state === "closed") this.closed++;
    else this.unanswered++;
    this.#tell(port, answer);
  }

  progress() {
    const done = Math.floor(this.#taken / this.#addresses);
    return { event: "progress", done, total: this.#ports.length, open: this.open.length } as const;
  }

  /** The code that all had in common, where none of them was reached. */
  unreached(): string | undefined {
    const [code, ...others] = this.#codes;
    return others.length === 0 && noWay.includes(code ?? "") ? code : undefined;
  }
}

import { type Family, resolveHost, type ResolvedAddress } from "../../endpoints/resolve.ts";
import { ExitCode, PortcatError, systemError } from "../../errors.ts";
import { hostPort } from "../../events.ts";
import { type Ask, askAll } from "../../probes/ask-all.ts";
import { mostTelling, type Probe, type Verdict } from "../../probes/verdict.ts";
import type { Context } from "../context.ts";
import { openPrinter } from "./print.ts";
import { limitRun } from "./session.ts";

export interface Scan {
  readonly host: string;
  readonly ports: readonly number[];
  readonly family: Family;
  readonly transport: "tcp" | "udp";
  readonly parallel: number;
  /** For each port. */
  readonly timeoutMs: number;
  readonly banner: boolean;
}

interface Form {
  readonly json: boolean;
  readonly openOnly: boolean;
}

/** What is kept and told of what a service says. */
const mostBannerBytes = 256;

/** How often the progress is told. */
const progressMs = 250;

/** Asks each port, and prints the answers in order as they come. @throws PortcatError (exit code 11) where one is not open */
export async function runScan(
  scan: Scan,
  form: Form & { any: boolean },
  timeoutMs: number | undefined,
  context: Context,
): Promise<void> {
  limitRun(timeoutMs, context);
  const { host, ports } = scan;
  const begun = performance.now();
  const named = { host, port: ports[0] ?? 0, family: scan.family };
  const addresses = await resolveHost(named, context.signal, context.emit);
  const stdout = openPrinter();
  const answers = new Answers(ports, addresses.length, (port, answer) => {
    const line = lineOf(scan, port, answer, form);
    if (line === "") return;
    context.settle();
    stdout.print(line);
  });
  const progress = setInterval(() => context.emit(answers.progress()), progressMs);
  const asking = askAll(
    probesOf(scan, addresses),
    scan.parallel,
    await askerFor(scan),
    (probe, verdict) => answers.take(probe, verdict),
    context.signal,
  );
  const failure = await Promise.race([asking, stdout.failed]).then(
    () => undefined,
    (error: unknown) => systemError(`cannot scan ${host}`, error),
  );
  clearInterval(progress);
  answers.tellRest();
  context.settle();
  await stdout.end();
  const { open, closed, unanswered } = answers;
  const duration = Math.round(performance.now() - begun);
  const asked = addresses.map(({ address }) => address);
  context.emit({ event: "scanned", host, addresses: asked, open, closed, unanswered, duration });
  if (failure !== undefined) throw failure;
  const unreached = answers.unreached();
  if (unreached !== undefined)
    throw systemError(`cannot reach ${host}`, Object.assign(new Error(), { code: unreached }), {
      address: addresses[0]?.address,
    });
  if (form.any ? open.length === 0 : open.length < ports.length) throw notOpen(scan, open.length);
}

/** What asks one port. */
async function askerFor({ transport, banner }: Scan): Promise<Ask> {
  if (transport === "udp") return (await import("../../probes/udp-port.ts")).probeUdp;
  const { probeTcp } = await import("../../probes/tcp-port.ts");
  return (probe, done) => probeTcp(probe, banner, done);
}

function notOpen({ host, ports }: Scan, open: number): PortcatError {
  const [port] = ports;
  const one = ports.length === 1 && port !== undefined;
  const message = one
    ? `${hostPort(host, port)} is not open`
    : `${String(open)} of ${String(ports.length)} ports of ${host} are open`;
  return new PortcatError(message, { exitCode: ExitCode.denied, code: "ENOTOPEN", address: host });
}

function* probesOf(
  { ports, timeoutMs }: Scan,
  addresses: readonly ResolvedAddress[],
): Generator<Probe> {
  for (const port of ports)
    for (const { address, family } of addresses) yield { address, family, port, timeoutMs };
}

/** An answer, and the address that gave it. */
type Answer = Verdict & { address: string };

/** What each port has answered, told in the order of the ports. */
class Answers {
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
    const noWay = ["ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EHOSTDOWN", "EAFNOSUPPORT"];
    return others.length === 0 && noWay.includes(code ?? "") ? code : undefined;
  }
}

function lineOf(
  { host, transport, banner: wanted }: Scan,
  port: number,
  answer: Answer,
  form: Form,
): string {
  const { state, address, code, banner } = answer;
  if (form.openOnly && state !== "open") return "";
  const said = wanted ? banner?.toString() : undefined;
  if (form.json) {
    const more = {
      ...(code !== undefined && { code }),
      ...(said !== undefined && { banner: said }),
    };
    return `${JSON.stringify({ host, address, port, transport, state, ...more })}\n`;
  }
  return `${String(port)} ${state}${said === undefined ? "" : ` ${inOneLine(said)}`}\n`;
}

/** The first line that has something in it, with control characters as text. */
function inOneLine(said: string): string {
  const line = said.split(/\r?\n/).find((each) => each.trim() !== "") ?? "";
  return line.replaceAll(
    /\p{Cc}/gu,
    (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

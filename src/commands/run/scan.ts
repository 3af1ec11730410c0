import { inJson, withoutControls } from "../../cli/event-words.ts";
import { type Family, resolveHost, type ResolvedAddress } from "../../endpoints/resolve.ts";
import { codeOf, ExitCode, PortcatError, systemError } from "../../errors.ts";
import { hostPort } from "../../events.ts";
import { type Ask, askAll } from "../../probes/ask-all.ts";
import type { Probe } from "../../probes/verdict.ts";
import type { Context } from "../context.ts";
import { openPrinter } from "./print.ts";
import { type Answer, Answers } from "./scan-answers.ts";
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
  const stdout = openPrinter(context.emit);
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
    (error: unknown) => {
      if (!(error instanceof PortcatError) && codeOf(error) === "") throw error;
      return systemError(`cannot scan ${host}`, error);
    },
  );
  clearInterval(progress);
  answers.tellRest();
  context.settle();
  await stdout.end(context.signal);
  const { open, closed, unanswered } = answers;
  const duration = Math.round(performance.now() - begun);
  const asked = addresses.map(({ address }) => address);
  context.emit({ event: "scanned", host, addresses: asked, open, closed, unanswered, duration });
  if (failure !== undefined) throw failure;
  context.signal.throwIfAborted();
  const unreached = answers.unreached();
  if (unreached !== undefined)
    throw systemError(
      `cannot reach ${host}`,
      { code: unreached },
      { address: addresses[0]?.address, exitCode: ExitCode.unreachable },
    );
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
    return `${inJson({ host, address, port, transport, state, ...more })}\n`;
  }
  return `${String(port)} ${state}${said === undefined ? "" : ` ${inOneLine(said)}`}\n`;
}

/** The first line that has something in it, with control characters as text. */
function inOneLine(said: string): string {
  return withoutControls(said.split(/\r?\n/).find((each) => each.trim() !== "") ?? "");
}

import { timedOut, withDeadline } from "../../endpoints/deadline.ts";
import { type Named, resolveHost, type ResolvedAddress } from "../../endpoints/resolve.ts";
import { ExitCode, systemError } from "../../errors.ts";
import { hostPort } from "../../events.ts";
import { quoted, type Talk } from "../../probes/conversation.ts";
import {
  type AskTarget,
  type Readiness,
  ready,
  silent,
  unexpected,
  unreached,
} from "../../probes/readiness.ts";
import { oneAnswer } from "../../probes/one-answer.ts";
import { probeUdp } from "../../probes/udp-port.ts";
import { mostTelling, type Verdict } from "../../probes/verdict.ts";

/**
 * How a UDP service is asked: it is ready when it replies.
 *
 * @param patienceMs - for resolving its name and the reply together
 */
export function askUdp(named: Named, patienceMs: number, talk: Talk): AskTarget {
  return async (leftMs, signal) => {
    const timeoutMs = Math.min(patienceMs, leftMs);
    const begun = performance.now();
    let answer: Readiness;
    try {
      const addresses = await resolveWithin(timeoutMs, named, signal);
      const stillLeftMs = Math.max(Math.round(timeoutMs - (performance.now() - begun)), 1);
      const verdict = await askAddresses(addresses, named.port, stillLeftMs, talk.send, signal);
      answer = readinessOf(verdict, named, timeoutMs, talk.meets);
    } catch (error) {
      if (signal.aborted) throw error;
      answer = unreached(error);
      // The silence of a name server says nothing of the target.
      if (answer.late) answer = { ...answer, there: true };
    }
    return { answer, cut: answer.late === true && leftMs < patienceMs };
  };
}

function resolveWithin(
  timeoutMs: number,
  named: Named,
  signal: AbortSignal,
): Promise<ResolvedAddress[]> {
  return withDeadline(timeoutMs, signal, (signal, deadline) => {
    deadline.late = (seconds) =>
      timedOut(`cannot resolve ${named.host}: no answer within ${seconds} s`);
    return resolveHost(named, signal, () => undefined);
  });
}

/** The first reply, or what tells most where there is none. */
function askAddresses(
  addresses: readonly ResolvedAddress[],
  port: number,
  timeoutMs: number,
  question: Uint8Array | undefined,
  signal: AbortSignal,
): Promise<Verdict> {
  const verdicts: Verdict[] = [];
  const failures: Error[] = [];
  let cancels: (() => void)[] = [];
  const late = () => mostTelling(verdicts) ?? { state: "no answer" as const, code: "ETIMEDOUT" };
  const leave = () => {
    for (const cancel of cancels) cancel();
  };
  const answered = oneAnswer<Verdict | Error>({ timeoutMs, late, leave, signal }, (done) => {
    cancels = addresses.map((address) =>
      probeUdp(
        { ...address, port, timeoutMs },
        (verdict) => {
          // This machine may have no way to one of them, as to ::1 without IPv6.
          if (verdict instanceof Error) failures.push(verdict);
          else verdicts.push(verdict);
          const [failure] = failures;
          if (failure !== undefined && failures.length === addresses.length) return done(failure);
          const all = verdicts.length + failures.length === addresses.length;
          if (all || verdicts.some(({ state }) => state === "open")) done(late());
        },
        question,
      ),
    );
  });
  return answered.then((verdict) => {
    if (verdict instanceof Error) throw verdict;
    return verdict;
  });
}

function readinessOf(
  { state, code, banner }: Verdict,
  { host, port }: Named,
  timeoutMs: number,
  meets: Talk["meets"],
): Readiness {
  const name = hostPort(host, port);
  if (state === "open") {
    const said = banner?.toString() ?? "";
    if (meets === undefined) return ready(`${name} answers`);
    if (meets(said)) return ready(`${name} answers what was expected`);
    return unexpected(`${name} answers ${quoted(said)}`, { gist: "it answers" });
  }
  if (code === "ETIMEDOUT") return silent(`${name} does not answer`, timeoutMs);
  const exitCode = state === "closed" ? ExitCode.refused : undefined;
  return unreached(systemError(`cannot reach ${name}`, { code }, exitCode && { exitCode }));
}

import { causeInWords, codeOf, ExitCode, exitCodeOf, PortcatError } from "../errors.ts";
import type { Place } from "./connection.ts";

// What goes wrong with an answer over HTTP, in words.

function failure(place: Place, message: string, code: string, cause?: unknown): PortcatError {
  const tls = exitCodeOf(cause) === ExitCode.tls;
  const exitCode = tls ? ExitCode.tls : ExitCode.broken;
  return new PortcatError(`${message} (${code})`, { exitCode, code, ...place.at, cause });
}

/** The cause without its code, which `failure` adds. */
const wordsOf = (error: unknown, code: string) => causeInWords(error).replace(` (${code})`, "");

/** llhttp's own words: "Expected HTTP/". */
function parserWords(error: unknown): string {
  const reason: unknown = (error as { reason?: unknown }).reason;
  return typeof reason === "string" ? reason : wordsOf(error, "");
}

/** No head of an answer came. */
export function unanswered(place: Place, error: unknown, mostHeadBytes: number): PortcatError {
  const code = codeOf(error) || "ECONNRESET";
  const hungUp = error === undefined || (error as Error).message === "socket hang up";
  if (code === "HPE_HEADER_OVERFLOW")
    return failure(
      place,
      `the head of the answer of ${place.name} is larger than ${String(mostHeadBytes)} bytes`,
      code,
      error,
    );
  if (code.startsWith("HPE_"))
    return failure(
      place,
      `${place.name} did not answer in HTTP/1: ${parserWords(error)}`,
      code,
      error,
    );
  const why = hungUp ? "it closed the connection" : wordsOf(error, code);
  return failure(place, `no answer from ${place.name}: ${why}`, code, error);
}

/** @param expected - the length that the head told, where it did */
export function brokenOff(
  place: Place,
  error: unknown,
  { received, expected, ended }: { received: number; expected: number | undefined; ended: boolean },
): PortcatError {
  const count = `${String(received)}${expected === undefined ? "" : ` of ${String(expected)}`} bytes`;
  const what = `the answer of ${place.name} broke off after ${count}`;
  const code = codeOf(error) || "ECONNRESET";
  if (code.startsWith("HPE_")) return failure(place, `${what}: ${parserWords(error)}`, code, error);
  if (ended) return failure(place, `${what}: the connection ended`, "ESHORT", error);
  return failure(place, `${what}: ${wordsOf({ code }, code)}`, code, error);
}

/** The answer was there first: a server that does not want the rest of the body. */
export function bodyUnwanted(place: Place, status: number, sent: number): PortcatError {
  const message = `${place.name} answered ${String(status)} before it had the body: ${String(sent)} bytes of it were sent`;
  return failure(place, message, unwantedCode);
}

const unwantedCode = "EUNWANTED";

export function switchedProtocols(place: Place, protocol: string): PortcatError {
  const to = protocol === "" ? "another protocol" : protocol;
  return failure(
    place,
    `${place.name} switched to ${to}, which is not spoken here`,
    "EPROTONOSUPPORT",
  );
}

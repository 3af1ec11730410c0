import { codeOf, ExitCode, PortcatError, readerLeft, systemError } from "../errors.ts";
import type { Endpoint, Local } from "./chunk.ts";

// The failures that end a relay, in words.

export function cannotWrite(local: Local, error: unknown, received: number): PortcatError {
  const count = `${String(local.sink?.delivered ?? 0)} of ${String(received)} bytes received`;
  if (codeOf(error) === "EPIPE")
    return new PortcatError(`the reader of stdout went away after ${count} (EPIPE)`, {
      exitCode: readerLeft,
      code: "EPIPE",
      cause: error,
    });
  return systemError(`cannot write to stdout after ${count}`, error, {
    exitCode: ExitCode.failure,
  });
}

/** The reason that ended the run, with what it cost. */
export function withUnwritten(reason: PortcatError, bytes: number): PortcatError {
  if (bytes <= 0) return reason;
  return new PortcatError(
    `${reason.message}; ${String(bytes)} bytes received were not written, stdout did not take them`,
    reason,
  );
}

export function tooFew(peer: Endpoint, received: number, expected: number): PortcatError {
  return new PortcatError(
    `${peer.name} ended after ${String(received)} bytes; ${String(expected)} were expected (ESHORT)`,
    { exitCode: ExitCode.broken, code: "ESHORT", ...peer.at },
  );
}

export function idleFailure({ name, at }: Endpoint, idleTimeoutMs: number): PortcatError {
  return new PortcatError(
    `nothing moved to or from ${name} for ${String(idleTimeoutMs / 1000)} s (EIDLE)`,
    { exitCode: ExitCode.timedOut, code: "EIDLE", ...at },
  );
}

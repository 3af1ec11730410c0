import { maxHeaderSize } from "node:http";
import { causeInWords, codeOf, ExitCode, exitCodeOf, PortcatError } from "../errors.ts";
import type { Place } from "./connection.ts";

/** What Node's parser says of bytes that are no HTTP. */
interface ParserError {
  readonly reason?: string;
  readonly rawPacket?: Buffer;
}

/** The first two bytes of every TLS handshake (RFC 8446, section 5.1). */
const tlsHandshake = Buffer.from([22, 3]);

/**
 * What a client did that cannot be answered as asked, and the status that is to tell it so; no
 * status where it can be told nothing any more.
 *
 * @param doing - what was under way: "POST /hook"; undefined between requests
 * @param received - bytes of its body so far
 */
export function clientFailure(
  { name, at }: Place,
  error: unknown,
  doing: string | undefined,
  received: number,
): PortcatError {
  const code = codeOf(error);
  const { reason, rawPacket } = error as ParserError;
  const failed = (why: string, status: number, shown = code) =>
    new PortcatError(`${name}: ${why} (${shown})`, {
      exitCode: ExitCode.broken,
      code: shown,
      status,
      cause: error,
      ...at,
    });
  const during = doing === undefined ? "" : `${doing}: `;
  if (code === "HPE_INVALID_EOF_STATE")
    return failed(
      doing === undefined
        ? "the client ended in the middle of a request"
        : `${doing}: the client ended in the middle of the body, after ${String(received)} bytes`,
      400,
      "ECONNRESET",
    );
  if (code === "HPE_HEADER_OVERFLOW")
    return failed(`the headers are larger than ${String(maxHeaderSize / 1024)} KiB`, 431);
  if (code === "HPE_CHUNK_EXTENSIONS_OVERFLOW")
    return failed(`${during}the chunk extensions are too large`, 413);
  if (code.startsWith("HPE_") && rawPacket?.subarray(0, 2).equals(tlsHandshake))
    return failed("the client speaks TLS, and we do not (--tls)", 400);
  if (code.startsWith("HPE_"))
    return failed(`${during}this is not HTTP: ${sentence(reason ?? "unknown")}`, 400);
  const exitCode = exitCodeOf(error) === ExitCode.tls ? ExitCode.tls : ExitCode.broken;
  const after = doing === undefined ? "" : `, after ${String(received)} bytes of the body`;
  return new PortcatError(`${name}: ${during}${causeInWords(error)}${after}`, {
    exitCode,
    code: code === "" ? "ECONNRESET" : code,
    cause: error,
    ...at,
  });
}

const sentence = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);

/** An answer of which the client has not taken all. */
export function undelivered({ name, at }: Place, doing: string, sent: number): PortcatError {
  return new PortcatError(
    `${name}: ${doing}: the client left before it had all of the answer, after ${String(sent)} bytes (ECONNRESET)`,
    { exitCode: ExitCode.broken, code: "ECONNRESET", ...at },
  );
}

/** A client that was silent for too long. */
export function idleClient(
  { name, at }: Place,
  what: string,
  timeoutMs: number,
  status?: number,
): PortcatError {
  const message = `${name}: ${what} within ${String(timeoutMs / 1000)} s (EIDLE)`;
  return new PortcatError(message, {
    exitCode: ExitCode.timedOut,
    code: "EIDLE",
    status,
    ...at,
  });
}

/** A failure of which the client was told. */
export function answered(failure: PortcatError, status: number): PortcatError {
  const message = `${failure.message}, answered ${String(status)}`;
  return new PortcatError(message, { ...failure, status, cause: failure.cause });
}

/** A failure of which the client could not be told. */
export function unanswered(failure: PortcatError): PortcatError {
  return new PortcatError(failure.message, { ...failure, status: undefined, cause: failure.cause });
}

/** What the exit status of the process means. README.md has the same table; a test compares the two. */
export const ExitCode = {
  ok: 0,
  failure: 1,
  usage: 2,
  unresolved: 3,
  refused: 4,
  timedOut: 5,
  unreachable: 6,
  cannotBind: 7,
  broken: 8,
  tls: 9,
  proxy: 10,
  denied: 11,
} as const;

/** What the message of a defect of ours begins with; its stack follows. */
export const defectWords = "internal error, please report it";

/** The exit code of a process that signal number `n` ended is 128 + n. */
export const signalExitCode = (signalNumber: number): number => 128 + signalNumber;

/** 128 + SIGPIPE: the reader of stdout went away. */
export const readerLeft = signalExitCode(13);

/** errno or resolver code: the cause in words, and the exit code it leads to. */
const causes = new Map<string, readonly [words: string, exitCode: number]>(
  Object.entries({
    EACCES: ["permission denied", ExitCode.failure],
    EADDRINUSE: ["address already in use", ExitCode.cannotBind],
    EADDRNOTAVAIL: ["no such address on this machine", ExitCode.cannotBind],
    EAFNOSUPPORT: ["address family not supported", ExitCode.unreachable],
    EAI_AGAIN: ["the name server did not answer", ExitCode.unresolved],
    EAI_FAIL: ["the name server failed", ExitCode.unresolved],
    EBADF: ["the descriptor is not open", ExitCode.failure],
    ECONNABORTED: ["connection aborted", ExitCode.broken],
    ECONNREFUSED: ["connection refused", ExitCode.refused],
    ECONNRESET: ["connection reset by the peer", ExitCode.broken],
    EDQUOT: ["disk quota exceeded", ExitCode.failure],
    EFBIG: ["file too large", ExitCode.failure],
    EHOSTDOWN: ["host is down", ExitCode.unreachable],
    EHOSTUNREACH: ["host unreachable", ExitCode.unreachable],
    EINVAL: ["invalid argument", ExitCode.failure],
    EIO: ["input/output error", ExitCode.failure],
    EISDIR: ["it is a directory", ExitCode.failure],
    EMFILE: ["too many open files (see ulimit -n)", ExitCode.failure],
    EMSGSIZE: ["message too long", ExitCode.failure],
    ENETDOWN: ["network is down", ExitCode.unreachable],
    ENETUNREACH: ["network unreachable", ExitCode.unreachable],
    ENFILE: ["too many open files on this system", ExitCode.failure],
    ENOBUFS: ["no buffer space", ExitCode.failure],
    ENODEV: ["no such network interface", ExitCode.failure],
    ENOENT: ["no such file or directory", ExitCode.failure],
    ENOMEM: ["out of memory", ExitCode.failure],
    ENOSPC: ["no space left on the device", ExitCode.failure],
    ENOTCONN: ["not connected", ExitCode.broken],
    ENOTDIR: ["not a directory", ExitCode.failure],
    ENOTFOUND: ["name not found", ExitCode.unresolved],
    ENOTSOCK: ["it is not a socket", ExitCode.failure],
    EPERM: ["operation not permitted", ExitCode.failure],
    EPIPE: ["the other side no longer reads", ExitCode.broken],
    EPROTOTYPE: ["it is a socket of another kind", ExitCode.failure],
    EROFS: ["read-only file system", ExitCode.failure],
    ETIMEDOUT: ["timed out", ExitCode.timedOut],
  } satisfies Record<string, [string, number]> as Record<string, [string, number]>),
);

/** What TLS calls the failures that users meet, as Node spells OpenSSL's names, in words. */
const tlsCauses: readonly (readonly [RegExp, string])[] = [
  [
    /WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH_TOO_LONG|RECORD_LAYER/,
    "the peer does not speak TLS",
  ],
  [
    /UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|NO_PROTOCOLS_AVAILABLE/,
    "no version of TLS that both sides speak",
  ],
  [/NO_SHARED_CIPHER|HANDSHAKE_FAILURE|NO_SUITABLE/, "no cipher suite that both sides have"],
  [/NO_APPLICATION_PROTOCOL/, "no application protocol (ALPN) that both sides speak"],
  [
    /CERTIFICATE_REQUIRED|DID_NOT_RETURN_A_CERTIFICATE/,
    "a client certificate is required, and none was shown",
  ],
  [/ALERT_UNKNOWN_CA/, "the peer does not know the issuer of our certificate"],
  [/ALERT_CERTIFICATE_EXPIRED/, "the peer finds our certificate expired"],
  [
    /ALERT_BAD_CERTIFICATE|ALERT_CERTIFICATE_UNKNOWN|ALERT_UNSUPPORTED_CERTIFICATE/,
    "the peer does not accept our certificate",
  ],
  [/ALERT_BAD_RECORD_MAC/, "the peer got a record of ours broken, or changed on the way"],
  [/BAD_RECORD_MAC/, "a record arrived broken, or was changed on the way"],
  [/UNRECOGNIZED_NAME/, "the server has no such name"],
];

function causeOf(code: string): readonly [words: string, exitCode: number] | undefined {
  const known = causes.get(code);
  if (known !== undefined || !code.startsWith("ERR_SSL_")) return known;
  const words = tlsCauses.find(([pattern]) => pattern.test(code))?.[1];
  return [words ?? "TLS failed", ExitCode.tls];
}

/** The exit code of a system error, where the table has it. */
export function exitCodeOf(error: unknown): number | undefined {
  return causeOf(codeOf(error))?.[1];
}

export interface ErrorDetails {
  /** Replaces the message that would be made of the cause. */
  message?: string;
  exitCode?: number | undefined;
  /** errno or another stable word, such as ECONNREFUSED. */
  code?: string | undefined;
  address?: string | undefined;
  port?: number | undefined;
  /** The HTTP status that the peer was told. */
  status?: number | undefined;
  cause?: unknown;
}

/** Every failure that portcat foresees: a message for people, and a stable code and exit code for scripts. */
export class PortcatError extends Error {
  readonly exitCode: number;
  readonly code: string | undefined;
  readonly address: string | undefined;
  readonly port: number | undefined;
  readonly status: number | undefined;

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.name = "PortcatError";
    this.exitCode = details.exitCode ?? ExitCode.failure;
    this.code = details.code;
    this.address = details.address;
    this.port = details.port;
    this.status = details.status;
  }
}

/** A value or a combination that cannot work, found before anything is opened. Exit code 2. */
export function usageError(message: string): PortcatError {
  return new PortcatError(message, { exitCode: ExitCode.usage, code: "USAGE" });
}

/** The run was ended by a signal, whose exit code is 128 + its number. */
export function interrupted(name: string, signalNumber: number): PortcatError {
  return new PortcatError(`ended by ${name}`, {
    exitCode: signalExitCode(signalNumber),
    code: name,
  });
}

/** The errno or resolver code of an error thrown by Node, or "" where it has none. */
export function codeOf(error: unknown): string {
  const code: unknown = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === "string" ? code : "";
}

/** "connection refused (ECONNREFUSED)"; Node's own text for a code that is not in the table. */
export function causeInWords(error: unknown): string {
  const code = codeOf(error);
  const words = causeOf(code)?.[0];
  if (words !== undefined) return `${words} (${code})`;
  return error instanceof Error ? error.message : String(error);
}

/**
 * Makes "cannot connect to 127.0.0.1:9: connection refused (ECONNREFUSED)" of a system error.
 *
 * @param doing - what was tried and where: "cannot connect to 127.0.0.1:9"
 * @param details - overrides of what the table says, and the address and port for scripts
 */
export function systemError(
  doing: string,
  cause: unknown,
  details: ErrorDetails = {},
): PortcatError {
  if (cause instanceof PortcatError) return cause;
  const code = codeOf(cause);
  return new PortcatError(details.message ?? `${doing}: ${causeInWords(cause)}`, {
    code: code === "" ? undefined : code,
    exitCode: causeOf(code)?.[1],
    cause,
    ...details,
  });
}

/** The `error` event of a failure. */
export function errorEvent(error: PortcatError) {
  return {
    event: "error" as const,
    message: error.message,
    code: error.code ?? null,
    exitCode: error.exitCode,
    address: error.address ?? null,
    port: error.port ?? null,
    ...(error.status !== undefined && { status: error.status }),
  };
}

import { causeInWords, codeOf, ExitCode, PortcatError } from "../errors.ts";

/** What could not be bound, as a message and an error event tell it. */
export interface Unbound {
  /** "cannot listen on 127.0.0.1:80" */
  readonly doing: string;
  readonly transport: "tcp" | "udp" | "unix";
  /** Undefined where every address was asked for. */
  readonly address?: string | undefined;
  readonly port?: number | undefined;
}

/**
 * The failure to bind: why, and whom to ask or what to do about it. Exit code 7, or 1 where it is
 * our own limit.
 *
 * @param why - in words, where the system's code says it badly
 */
export function cannotBind(
  unbound: Unbound,
  error: unknown,
  why = causeInWords(error),
): PortcatError {
  const { doing, address, port } = unbound;
  const code = codeOf(error);
  const ourLimit = code === "EMFILE" || code === "ENFILE";
  return new PortcatError(`${doing}: ${why}${wayOut(code, unbound)}`, {
    exitCode: ourLimit ? ExitCode.failure : ExitCode.cannotBind,
    code,
    address,
    port,
    cause: error,
  });
}

function wayOut(code: string, { transport, port }: Unbound): string {
  if (port === undefined || transport === "unix") return "";
  if (code === "EACCES" && port > 0 && port < 1024)
    return "; ports below 1024 are for root, or for a program with CAP_NET_BIND_SERVICE";
  return code === "EADDRINUSE" && port > 0 ? `; ${whoHas(port, transport)} shows who has it` : "";
}

/** The command that tells which process has a port, on this system. */
function whoHas(port: number, transport: "tcp" | "udp"): string {
  const number = String(port);
  if (process.platform === "linux")
    return `\`ss -${transport === "tcp" ? "ltnp" : "lunp"} 'sport = :${number}'\``;
  if (process.platform === "win32") return `\`netstat -ano | findstr :${number}\``;
  return `\`lsof -nP -i${transport.toUpperCase()}:${number}\``;
}

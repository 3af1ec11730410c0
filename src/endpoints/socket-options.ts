import { Socket } from "node:net";
import { usageError } from "../errors.ts";
import type { Emit } from "../events.ts";

/** What can be set on a connected socket. */
export interface SocketOptions {
  readonly noDelay: boolean;
  /** Milliseconds of silence before the first keep-alive probe; undefined for none. */
  readonly keepAliveMs?: number | undefined;
  /** The six bits of RFC 2474, 0 to 63. */
  readonly dscp?: number | undefined;
}

interface TypeOfService {
  setTypeOfService?: (tos: number) => unknown;
}

/**
 * @throws PortcatError (exit code 2) for an option that the running Node does not have; asked
 *   before anything is opened
 */
export function checkSocketOptions({ dscp }: SocketOptions): void {
  if (dscp === undefined) return;
  if (typeof (Socket.prototype as TypeOfService).setTypeOfService !== "function")
    throw usageError(
      `--tos needs Node 24.15 or 25.6 or later, which can set it; this is Node ${process.versions.node}`,
    );
}

/** Sets the options on a connected socket. A system that refuses one is warned about, and goes on. */
export function setSocketOptions(socket: Socket, options: SocketOptions, emit: Emit): void {
  if (options.noDelay) {
    socket.setNoDelay(true);
    emit({ event: "option", name: "no-delay", value: true });
  }
  if (options.keepAliveMs !== undefined) {
    socket.setKeepAlive(true, options.keepAliveMs);
    emit({ event: "option", name: "keep-alive", value: options.keepAliveMs });
  }
  if (options.dscp !== undefined) {
    try {
      // The upper six bits of the octet; the lower two are congestion notification (RFC 3168).
      (socket as TypeOfService).setTypeOfService?.(options.dscp << 2);
      emit({ event: "option", name: "tos", value: options.dscp });
    } catch (error) {
      emit({ event: "warning", message: `--tos was not set: ${(error as Error).message}` });
    }
  }
}

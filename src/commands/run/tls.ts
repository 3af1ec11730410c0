import { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import type { TlsClientFlags, TlsFlags, TlsListenerFlags } from "../../cli/tls-options.ts";
import type { Secure, SecureAccepted } from "../../endpoints/connection.ts";
import { acceptTls, secureClient, secureServer } from "../../endpoints/tls.ts";
import {
  pinOf,
  readCertificate,
  readAuthorities,
  secureContext,
  type TlsIdentity,
  trustedAuthorities,
} from "../../endpoints/tls-context.ts";
import type { Ends } from "../../events.ts";
import type { Context } from "../context.ts";

const handshakeMs = 10_000;

function identityOf({ cert, key, tlsMin, ciphers }: TlsFlags): TlsIdentity {
  return { cert, key, minVersion: tlsMin, ciphers };
}

/** How a client speaks TLS. @throws PortcatError (exit code 2) when a file is not what it should be */
export function clientTls(
  flags: TlsClientFlags,
  { emit }: Context,
  caFlag: "--ca" | "--proxy-ca" = "--ca",
): Secure {
  const { ca, pin, insecure = false, servername, alpn } = flags;
  const verifies = pin === undefined && !insecure;
  const trusted =
    ca !== undefined ? readAuthorities(caFlag, ca) : verifies ? trustedAuthorities() : undefined;
  const identity = identityOf(flags);
  const context = secureContext(identity, readCertificate(identity, emit), { ca: trusted });
  const client = { context, servername, alpn, pin: pin && `sha256:${pin}`, insecure, caFlag };
  return (link, host, signal) => secureClient(link, host, client, signal, emit);
}

export interface ListenerTls {
  readonly secure: SecureAccepted;
  /** The same for what reads and writes a socket of Node's. */
  readonly accept: (socket: Socket, ends: Ends) => ReturnType<typeof acceptTls>;
  readonly pin: string;
}

/**
 * How a listener speaks TLS, and the pin of its certificate; one is made where none was given.
 *
 * @throws PortcatError (exit code 2) when a file is not what it should be
 */
export async function listenerTls(
  flags: TlsListenerFlags,
  { emit }: Context,
): Promise<ListenerTls> {
  const { clientCa, alpn, connectTimeout: timeoutMs = handshakeMs } = flags;
  const identity = identityOf(flags);
  const ca = clientCa === undefined ? undefined : readAuthorities("--client-ca", clientCa);
  const certificate = readCertificate(identity, emit) ?? (await madeForThisRun());
  const context = secureContext(identity, certificate, { ca });
  const server = { context, alpn, demandsCertificate: ca !== undefined, timeoutMs };
  const { fingerprint256 } = new X509Certificate(certificate.cert);
  return {
    secure: (socket, ends) => secureServer(socket, ends, server),
    accept: (socket, ends) => acceptTls(socket, ends, server),
    pin: pinOf(fingerprint256),
  };
}

async function madeForThisRun() {
  const { temporaryCertificate } = await import("../../endpoints/temporary-certificate.ts");
  return temporaryCertificate();
}

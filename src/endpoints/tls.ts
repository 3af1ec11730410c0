import { isIP, type Socket } from "node:net";
import * as tls from "node:tls";
import type { Emit, Ends, TlsSession } from "../events.ts";
import { connectionBehind } from "./behind-handshake.ts";
import { type Connection, type Link, type Place, placeOf, type SecureLink } from "./connection.ts";
import { pinOf } from "./tls-context.ts";
import {
  certificateRefused,
  dateOf,
  distrustInWords,
  handshakeFailed,
  handshakeLate,
  nameInWords,
} from "./tls-failure.ts";

export interface TlsClient {
  readonly context: tls.SecureContext;
  /** The name to ask for and to verify; undefined for the host that was connected to. */
  readonly servername?: string | undefined;
  readonly alpn?: readonly string[] | undefined;
  /** The one certificate to accept: "sha256:" and 64 lowercase hex digits. */
  readonly pin?: string | undefined;
  /** Accept any. */
  readonly insecure: boolean;
  /** The option that would trust another authority. */
  readonly caFlag: "--ca" | "--proxy-ca";
}

export interface TlsServer {
  readonly context: tls.SecureContext;
  readonly alpn?: readonly string[] | undefined;
  /** Whether clients have to show a certificate, issued by an authority of the context. */
  readonly demandsCertificate: boolean;
  /** How long a handshake may take; 0 for no limit. */
  readonly timeoutMs: number;
}

/**
 * Speaks TLS as a client, over a link, and verifies who is there.
 *
 * @param host - what was connected to; undefined for a UNIX socket
 * @param signal - ends the handshake, with its reason
 * @throws PortcatError (exit code 9) when there is no TLS with the peer, or it is not who it should be
 */
export async function secureClient(
  { socket, lower, ends }: Link,
  host: string | undefined,
  client: TlsClient,
  signal: AbortSignal,
  emit: Emit,
): Promise<SecureLink> {
  const { context, alpn, servername = host ?? "localhost" } = client;
  const secure = tls.connect({
    socket,
    host: servername,
    secureContext: context,
    // An address cannot be asked for (RFC 6066, section 3).
    ...(isIP(servername) === 0 && { servername }),
    ...(alpn && { ALPNProtocols: [...alpn] }),
    rejectUnauthorized: false,
  });
  const place = placeOf(ends);
  await handshake(secure, socket, "secureConnect", place, signal);
  const session = sessionOf(secure, client.pin !== undefined || secure.authorized);
  try {
    checkServer(secure, session, servername, client, place, emit);
  } catch (error) {
    secure.destroy();
    throw error;
  }
  return { socket: secure, lower, ends, session };
}

/** Node before 22.15 has authorities of its own, and cannot ask the system for others. */
function ownTrust(): string {
  return "getCACertificates" in tls ? "" : "; this Node knows no authorities of the system's";
}

/** Whoever is in the way has a pin, too: it tells something only together with the server's own word. */
function waysToTrust({ pin }: TlsSession, caFlag: TlsClient["caFlag"]): string {
  if (caFlag === "--proxy-ca") return "--proxy-ca trusts its issuer";
  return `--ca trusts its issuer, and --pin ${pin ?? ""} accepts it alone, if that is the pin that the other side tells`;
}

/** @throws PortcatError (exit code 9) when the server is not who it should be */
function checkServer(
  secure: tls.TLSSocket,
  session: TlsSession,
  name: string,
  { pin, insecure, caFlag }: TlsClient,
  place: Place,
  emit: Emit,
): void {
  if (pin !== undefined) {
    if (session.pin === pin) return;
    const why = `the certificate is not the one of --pin: expected ${pin}, got ${session.pin ?? "none"}`;
    throw certificateRefused(place, "EPIN", why);
  }
  if (session.authorized) return;
  // Node has the code here, and declares an Error.
  const code = String(secure.authorizationError);
  const why = distrustInWords(code, secure.getPeerCertificate(), name);
  // The name and the dates are not a matter of trust.
  const trust = /SIGNED|ISSUER|VERIFY/.test(code);
  const hint = trust ? `; ${waysToTrust(session, caFlag)}${ownTrust()}` : "";
  if (!insecure) throw certificateRefused(place, code, why + hint);
  emit({ event: "warning", message: `not verified (--insecure): ${why} (${code})` });
}

/**
 * Speaks TLS as a server, over a socket that a listener has accepted. The connection is there at
 * once; its `secured` says when the handshake is over, or how it failed.
 */
export function secureServer(socket: Socket, ends: Ends, server: TlsServer): Connection {
  const { secure, secured } = acceptTls(socket, ends, server);
  return { ...connectionBehind({ socket: secure, lower: socket, ends }), secured };
}

/** The same as a socket of Node's, for what does not read and write a `Connection`. */
export function acceptTls(
  socket: Socket,
  ends: Ends,
  server: TlsServer,
): { secure: tls.TLSSocket; secured: Promise<TlsSession> } {
  const { context, alpn, demandsCertificate, timeoutMs } = server;
  const secure = new tls.TLSSocket(socket, {
    isServer: true,
    secureContext: context,
    requestCert: demandsCertificate,
    rejectUnauthorized: demandsCertificate,
    ...(alpn && { ALPNProtocols: [...alpn] }),
  });
  // What goes wrong later is told to Node's own server alone, and to this event.
  secure.on("_tlsError", (error: Error) => secure.destroy(error));
  const place = placeOf(ends);
  const deadline = new AbortController();
  const late = () => deadline.abort(handshakeLate(place, String(timeoutMs / 1000)));
  const timer = timeoutMs > 0 ? setTimeout(late, timeoutMs) : undefined;
  const secured = handshake(secure, socket, "secure", place, deadline.signal)
    .then(() => {
      if (demandsCertificate) checkClient(secure, place);
      return sessionOf(secure, demandsCertificate);
    })
    .catch((error: unknown) => {
      secure.destroy();
      throw error;
    })
    .finally(() => clearTimeout(timer));
  // Where nobody waits for it any more.
  secured.catch(() => undefined);
  return { secure, secured };
}

/** What Node's own server looks at, and has no name for elsewhere. */
interface VerifyingHandle {
  readonly verifyError?: () => (Error & { code?: string }) | null;
}

/** @throws PortcatError (exit code 9) when the client's certificate was issued by nobody that we trust */
function checkClient(secure: tls.TLSSocket, place: Place): void {
  const handle = (secure as unknown as { _handle?: VerifyingHandle | null })._handle;
  if (typeof handle?.verifyError !== "function")
    throw certificateRefused(
      place,
      "ENOTSUP",
      "this Node does not tell whether the client's certificate is good",
    );
  const error = handle.verifyError();
  if (error === null || error === undefined) return;
  const code = error.code ?? error.message;
  throw certificateRefused(place, code, distrustInWords(code, secure.getPeerCertificate(), ""));
}

/** Waits until a handshake is over. @throws PortcatError when it fails, or the reason of `signal` */
function handshake(
  secure: tls.TLSSocket,
  socket: Socket,
  done: "secureConnect" | "secure",
  place: Place,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const over = () => {
      secure.off("error", failed);
      secure.off("end", closed);
      secure.off("close", closed);
      socket.off("close", closed);
      signal.removeEventListener("abort", aborted);
      // What fails later is told by the source and the sink.
      secure.on("error", () => undefined);
    };
    const failed = (error: unknown) => {
      over();
      reject(handshakeFailed(place, error));
    };
    const closed = () => failed(undefined);
    const aborted = () => {
      over();
      secure.destroy();
      reject(signal.reason as Error);
    };
    secure.once("error", failed);
    // A peer that leaves: Node waits for more of the handshake.
    secure.once("end", closed);
    secure.once("close", closed);
    socket.once("close", closed);
    secure.once(done, () => {
      over();
      resolve();
    });
    if (signal.aborted) aborted();
    else signal.addEventListener("abort", aborted);
    // A peer behind a proxy may have left before we began.
    if (socket.readableEnded) closed();
  });
}

/** What a handshake has agreed on, and who the peer says it is. */
function sessionOf(secure: tls.TLSSocket, authorized: boolean): TlsSession {
  const { fingerprint256, subject, issuer, valid_from, valid_to } = secure.getPeerCertificate();
  // Without a certificate it is an empty object.
  const shown = (fingerprint256 as string | undefined) !== undefined;
  return {
    protocol: secure.getProtocol() ?? "",
    cipher: secure.getCipher().standardName,
    alpn: secure.alpnProtocol || null,
    subject: shown ? nameInWords({ ...subject }) : null,
    issuer: shown ? nameInWords({ ...issuer }) : null,
    validFrom: shown ? dateOf(valid_from) : null,
    validTo: shown ? dateOf(valid_to) : null,
    pin: shown ? pinOf(fingerprint256) : null,
    authorized,
  };
}

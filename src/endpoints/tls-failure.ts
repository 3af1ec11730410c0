import type { PeerCertificate } from "node:tls";
import { causeInWords, codeOf, ExitCode, PortcatError } from "../errors.ts";
import type { Place } from "./connection.ts";
import { timedOut } from "./deadline.ts";

/** A handshake that failed, exit code 9. */
export function handshakeFailed({ name, at }: Place, error: unknown): PortcatError {
  const code = codeOf(error);
  const gone = ["", "ECONNRESET", "EPIPE"].includes(code);
  const why = gone
    ? "the peer closed the connection during the handshake (ECONNRESET)"
    : causeInWords(error);
  return new PortcatError(`no TLS with ${name}: ${why}`, {
    exitCode: ExitCode.tls,
    code: code === "" ? "ECONNRESET" : code,
    ...at,
    cause: error,
  });
}

/** A handshake that took too long, exit code 5. */
export function handshakeLate({ name, at }: Place, seconds: string): PortcatError {
  return timedOut(`no TLS with ${name}: no handshake within ${seconds} s`, at);
}

/** A certificate that is not accepted, exit code 9. */
export function certificateRefused({ name, at }: Place, code: string, why: string): PortcatError {
  return new PortcatError(`no TLS with ${name}: ${why} (${code})`, {
    exitCode: ExitCode.tls,
    code,
    ...at,
  });
}

/** A date of a certificate, ISO 8601; null for one that is not in any calendar. */
export function dateOf(text: string): string | null {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? null : date.toISOString().replace(".000", "");
}

const dateInWords = (text: string) => dateOf(text) ?? `"${text}", which is no date`;

/**
 * Why a certificate is not trusted, in words, by the code of its verification (X509_verify_cert(3)
 * as Node names it).
 *
 * @param name - what the certificate should be for
 */
export function distrustInWords(code: string, certificate: PeerCertificate, name: string): string {
  const whose = `the certificate of ${nameInWords(certificate.subject)}`;
  const issuer = nameInWords(certificate.issuer);
  switch (code) {
    case "CERT_HAS_EXPIRED":
      return `${whose}, or that of an issuer of it, has expired: it was valid until ${dateInWords(certificate.valid_to)}`;
    case "CERT_NOT_YET_VALID":
      return `${whose} is not valid before ${dateInWords(certificate.valid_from)}`;
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
      return `${whose} is signed by itself`;
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
      return `${whose} was issued by ${issuer}, which is not known here`;
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return `the certificate is not for ${name}, but for ${namesOf(certificate)}`;
    default:
      return `${whose} is not accepted`;
  }
}

/** The names that a certificate is for. */
function namesOf({ subject, subjectaltname }: PeerCertificate): string {
  const names = subjectaltname?.split(", ").map((each) => each.replace(/^(DNS|IP Address):/, ""));
  return names?.join(", ") ?? nameInWords(subject);
}

/** The common name of a subject or issuer, or all that it has. */
export function nameInWords(name: Partial<Record<string, string | string[]>> | undefined): string {
  if (name === undefined) return "nobody";
  const { CN } = name;
  if (CN !== undefined) return [CN].flat().join(", ");
  const parts = Object.entries(name).map(([key, value]) => `${key}=${[value].flat().join(", ")}`);
  return parts.length === 0 ? "nobody" : parts.join(", ");
}

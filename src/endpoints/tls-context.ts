import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import * as tls from "node:tls";
import { causeInWords, codeOf, usageError } from "../errors.ts";
import type { Emit } from "../events.ts";

/** What either side may be told about its own certificate and the protocol. */
export interface TlsIdentity {
  /** Paths of PEM files. The key may be in the file of the certificate. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly minVersion?: tls.SecureVersion | undefined;
  readonly ciphers?: string | undefined;
}

interface Trust {
  readonly ca?: string | string[] | Buffer | undefined;
}

/** A certificate and its key, as PEM. */
export interface Certificate {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

/**
 * What a TLS connection is made with.
 *
 * @throws PortcatError (exit code 2) naming the file that cannot be read or is not what it should be
 */
export function secureContext(
  identity: TlsIdentity,
  certificate: Certificate | undefined,
  trust: Trust,
): tls.SecureContext {
  const { minVersion, ciphers } = identity;
  try {
    return tls.createSecureContext({
      ...certificate,
      ...(trust.ca !== undefined && { ca: trust.ca }),
      ...(minVersion !== undefined && { minVersion }),
      ...(ciphers !== undefined && { ciphers }),
    });
  } catch (error) {
    throw usageError(whyUnusable(identity, error));
  }
}

/**
 * Reads a certificate and its key. A key that everybody may read is warned of.
 *
 * @throws PortcatError (exit code 2) when they cannot be read, or do not belong together
 */
export function readCertificate(
  { cert, key = cert }: TlsIdentity,
  emit: Emit,
): Certificate | undefined {
  if (cert === undefined || key === undefined) return undefined;
  const chain = readPem("--cert", cert);
  const text = key === cert ? chain : readPem("--key", key);
  const certificate = firstCertificate("--cert", cert, chain);
  if (!certificate.checkPrivateKey(privateKey(key, text)))
    throw usageError(
      `--key ${key} is not the private key of the first certificate in ${cert}, which is that of ${inOneLine(certificate.subject)}`,
    );
  if (process.platform !== "win32" && statSync(key).isFile() && statSync(key).mode & 0o004)
    emit({
      event: "warning",
      message: `${key}: every user of this machine can read this private key`,
    });
  return { cert: chain, key: text };
}

/** Reads the certificates of authorities. @throws PortcatError (exit code 2) when they cannot be read */
export function readAuthorities(flag: string, path: string): Buffer {
  const text = readPem(flag, path);
  firstCertificate(flag, path, text);
  return text;
}

function readPem(flag: string, path: string): Buffer {
  let text: Buffer;
  try {
    text = readFileSync(path);
  } catch (error) {
    throw usageError(`${flag} ${path}: ${causeInWords(error)}`);
  }
  if (!text.includes("-----BEGIN "))
    throw usageError(`${flag} ${path}: expected PEM text (-----BEGIN …), which it is not`);
  return text;
}

function firstCertificate(flag: string, path: string, text: Buffer): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch {
    throw usageError(`${flag} ${path}: there is no certificate in it`);
  }
}

function privateKey(path: string, text: Buffer): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (error) {
    const isEncrypted = text.includes("ENCRYPTED") || codeOf(error) === "ERR_MISSING_PASSPHRASE";
    throw usageError(
      isEncrypted
        ? `--key ${path}: the key is encrypted; expected one without a password, as \`openssl pkey -in ${path}\` makes it`
        : `${path}: there is no private key in it (--key names its file)`,
    );
  }
}

const inOneLine = (subject: string) => subject.split("\n").join(", ");

function whyUnusable({ cert = "", ciphers }: TlsIdentity, error: unknown): string {
  const code = codeOf(error);
  if (ciphers !== undefined && /CIPHER|INVALID_COMMAND|INVALID_ARG/.test(code))
    return `--ciphers ${ciphers}: this Node knows no such cipher suite`;
  return `the certificate in ${cert} cannot be used: ${causeInWords(error)} (${code})`;
}

/** The SHA-256 of a certificate in lowercase hex digits. */
export function pinOf(fingerprint256: string): string {
  return `sha256:${fingerprint256.replaceAll(":", "").toLowerCase()}`;
}

/** The certificate authorities that Node and this system trust; undefined for Node's own alone. */
export function trustedAuthorities(): string[] | undefined {
  const { getCACertificates } = tls as {
    getCACertificates?: (type: "default" | "system") => string[];
  };
  if (getCACertificates === undefined) return undefined;
  return [...new Set([...getCACertificates("default"), ...getCACertificates("system")])];
}

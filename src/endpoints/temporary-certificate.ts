import { KeyObject, randomBytes, webcrypto } from "node:crypto";
import { hostname } from "node:os";
import type { Certificate } from "./tls-context.ts";

const hourMs = 3_600_000;
/** Clocks differ. */
const beforeMs = hourMs;
/** Longer than a listener without a certificate of its own should live. */
const validMs = 30 * 24 * hourMs;

/**
 * Makes a certificate for this run, signed by its own key (ECDSA over P-256). The key is never
 * written anywhere.
 */
export async function temporaryCertificate(): Promise<Certificate> {
  // What the library asks for.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const { subtle } = webcrypto;
  const keys = await subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ]);
  const now = Date.now();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      // Positive (RFC 5280, section 4.1.2.2).
      serialNumber: `01${randomBytes(15).toString("hex")}`,
      name: "CN=portcat",
      notBefore: new Date(now - beforeMs),
      notAfter: new Date(now + validMs),
      keys,
      signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.SubjectAlternativeNameExtension(
          [...new Set(["localhost", hostname()])].map((value) => ({ type: "dns", value }) as const),
        ),
      ],
    },
    webcrypto,
  );
  const key = KeyObject.from(keys.privateKey).export({ type: "pkcs8", format: "pem" });
  return { cert: certificate.toString("pem"), key };
}

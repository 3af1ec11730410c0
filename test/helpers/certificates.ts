import { KeyObject, randomBytes, webcrypto, X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { temporaryFolder } from "./tool.ts";

type Keys = Awaited<ReturnType<typeof newKeys>>;

/** A certificate of a test's own, with its key, as PEM and as paths of files. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** "sha256:" and hex digits. */
  readonly pin: string;
  readonly subject: string;
  readonly keys: Keys;
}

export interface Wanted {
  name?: string;
  /** Names and addresses that it is for. */
  names?: string[];
  /** The authority that issues it; without one it signs itself. */
  by?: Issued;
  from?: Date;
  to?: Date;
}

const dayMs = 86_400_000;
const newKeys = () =>
  webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);

export async function issue({
  name = "localhost",
  names = ["localhost", "127.0.0.1"],
  by,
  from = new Date(Date.now() - dayMs),
  to = new Date(Date.now() + dayMs),
}: Wanted = {}): Promise<Issued> {
  const keys = await newKeys();
  const subject = `CN=${name}`;
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: `01${randomBytes(8).toString("hex")}`,
      subject,
      issuer: by?.subject ?? subject,
      notBefore: from,
      notAfter: to,
      publicKey: keys.publicKey,
      signingKey: (by?.keys ?? keys).privateKey,
      signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
      extensions: [
        new x509.BasicConstraintsExtension(names.length === 0, undefined, true),
        ...(names.length === 0
          ? []
          : [
              new x509.SubjectAlternativeNameExtension(
                names.map((value) => ({ type: isIP(value) ? "ip" : "dns", value }) as const),
              ),
            ]),
      ],
    },
    webcrypto,
  );
  const cert = certificate.toString("pem");
  const key = KeyObject.from(keys.privateKey).export({ type: "pkcs8", format: "pem" }).toString();
  const folder = temporaryFolder();
  const [certFile, keyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key, { mode: 0o600 });
  const pin = `sha256:${new X509Certificate(cert).fingerprint256.replaceAll(":", "").toLowerCase()}`;
  return { cert, key, certFile, keyFile, pin, subject, keys };
}

/** An authority, which issues others' certificates. */
export const authority = (name = "Test Authority"): Promise<Issued> => issue({ name, names: [] });

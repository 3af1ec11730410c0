import { type Command, InvalidArgumentError, Option } from "commander";
import { excludes, needs } from "./options.ts";
import { parsePath, parseTime } from "./values.ts";

/** TLS as typed. `pin` is the SHA-256 of a certificate in lowercase hex digits. */
export interface TlsFlags {
  tls?: boolean;
  cert?: string;
  key?: string;
  alpn?: string[];
  tlsMin?: TlsVersion;
  ciphers?: string;
}

export interface TlsClientFlags extends TlsFlags {
  ca?: string;
  servername?: string;
  pin?: string;
  insecure?: boolean;
}

export interface TlsListenerFlags extends TlsFlags {
  clientCa?: string;
  connectTimeout?: number;
}

export type TlsVersion = "TLSv1.2" | "TLSv1.3";

const shared = ["--cert", "--key", "--alpn", "--tls-min", "--ciphers"];
const ofClients = ["--ca", "--servername", "--pin", "--insecure"];

export function tlsClientOptions(command: Command): void {
  command.option("--tls", "speak TLS, and verify the server's certificate and name");
  tlsVerifyOptions(command);
}

/** What a client of TLS may be told, where it is not --tls that says whether TLS is spoken. */
export function tlsVerifyOptions(command: Command): void {
  command
    .option("--ca <file>", "trust these certificate authorities, and no others", parsePath)
    .option("--servername <name>", "the server's name, to ask for and to verify", parseName)
    .addOption(
      new Option("--pin <sha256:hex>", "accept exactly this certificate, whoever issued it")
        .argParser(parsePin)
        .conflicts(["ca", "insecure"]),
    )
    .addOption(
      new Option("--insecure", "accept any certificate: anybody may be listening").conflicts("ca"),
    );
  sharedOptions(command, "to show to a server that asks for one");
}

export function tlsListenerOptions(command: Command): void {
  command
    .option("--tls", "speak TLS; without --cert with a certificate made for this run")
    .option("--client-ca <file>", "demand a certificate that one of these has issued", parsePath)
    .option("-w, --connect-timeout <time>", "how long a TLS handshake may take (10s)", parseTime);
  sharedOptions(command, "to show to clients");
}

function sharedOptions(command: Command, what: string): void {
  command
    .option("--cert <file>", `the certificate chain ${what} (PEM)`, parsePath)
    .option(
      "--key <file>",
      "its private key (PEM); without it, it is in the --cert file",
      parsePath,
    )
    .option("--alpn <names>", "application protocols, the best first: h2,http/1.1", parseAlpn)
    .option("--tls-min <version>", "1.2 (the default) or 1.3", parseTlsVersion)
    .option("--ciphers <list>", "cipher suites, as OpenSSL names them", parseName);
}

/** @throws PortcatError (exit code 2) when an option of TLS was typed without --tls, or a key without its certificate */
export function checkTlsOptions(command: Command, role: "client" | "listener"): void {
  const own = role === "client" ? ofClients : ["--client-ca", "--connect-timeout"];
  needs(command, [...shared, ...own], "--tls");
  needs(command, ["--key"], "--cert");
}

/** @throws PortcatError (exit code 2) when an option of a client's TLS was typed together with `what` */
export function excludesTls(command: Command, what: string): void {
  excludes(command, [...shared, ...ofClients], what);
}

/** Reads "sha256:" and 64 hex digits, in either case, with or without colons between them. */
export function parsePin(text: string): string {
  const digits = /^sha256:(.*)$/i.exec(text)?.[1] ?? "";
  const plain = /^[0-9a-f]{2}(:[0-9a-f]{2}){31}$/i.test(digits)
    ? digits.replaceAll(":", "")
    : digits;
  if (!/^[0-9a-f]{64}$/i.test(plain))
    throw new InvalidArgumentError(
      "expected sha256: and the 64 hex digits of a certificate's SHA-256, as the listener tells them",
    );
  return plain.toLowerCase();
}

export function parseTlsVersion(text: string): TlsVersion {
  if (text !== "1.2" && text !== "1.3") throw new InvalidArgumentError("expected 1.2 or 1.3");
  return `TLSv${text}`;
}

/** Reads names of protocols, of 1 to 255 bytes each (RFC 7301, section 3.1), with commas between them. */
export function parseAlpn(text: string): string[] {
  const names = text.split(",");
  for (const name of names)
    if (name === "" || Buffer.byteLength(name) > 255)
      throw new InvalidArgumentError("expected names of protocols, such as h2,http/1.1");
  return names;
}

export function parseName(text: string): string {
  if (text === "") throw new InvalidArgumentError("it cannot be empty");
  return text;
}

import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { SocksClient } from "socks";
import { Refusal, type RefusalCode } from "./proxy-refusal.ts";
import type { Destination, Proxy } from "./tunnel.ts";

/** The library has a time limit of its own; ours is the signal. */
const longestTimeoutMs = 2 ** 31 - 1;

/**
 * Asks a proxy to connect (SOCKS 4, 4a; RFC 1928 and 1929), over a socket that is connected to it.
 * What comes behind its answer stays in the socket.
 *
 * The library is given the answer byte by byte: what it has read when it is content was the answer.
 *
 * @throws Refusal, the proxy's own reason; the reason of `signal`
 */
export function askSocksProxy(
  socket: Socket,
  { protocol, credentials, host, port }: Proxy,
  destination: Destination,
  signal: AbortSignal,
): Promise<void> {
  const type = protocol === "socks5" ? 5 : 4;
  const client = new SocksClient({
    command: "connect",
    proxy: {
      host,
      port,
      type,
      ...(credentials && { userId: credentials.user, password: credentials.password }),
    },
    destination,
    timeout: longestTimeoutMs,
  });
  return new Promise((resolve, reject) => {
    let asking = true;
    /** Our last word was the user and password. */
    let named = false;
    const conversation = new Duplex({
      read: () => undefined,
      write: (bytes: Buffer, _, written) => {
        named = type === 5 && bytes[0] === userVersion;
        // The library tells who we are also where nobody has said so.
        if (named && credentials === undefined) over(new Refusal("EPROXYAUTH", wantsUser));
        // What fails is told by the socket.
        else socket.write(bytes, () => written());
      },
    });
    const over = (refusal?: Error) => {
      if (!asking) return;
      asking = false;
      socket.off("readable", readOn);
      for (const event of ["end", "close"]) socket.off(event, left);
      socket.off("error", over);
      signal.removeEventListener("abort", aborted);
      if (refusal === undefined) resolve();
      else reject(refusal);
    };
    const readOn = () => {
      for (let byte = socket.read(1) as Buffer | null; byte !== null;) {
        conversation.emit("data", byte);
        byte = asking ? (socket.read(1) as Buffer | null) : null;
      }
    };
    const left = () =>
      over(
        named
          ? new Refusal("EPROXYAUTH", "it closed the connection at the user and password")
          : new Refusal("EPROXY", "it closed the connection without a whole answer"),
      );
    const aborted = () => over(signal.reason as Error);
    // Of an address of no known kind the library does not know where it ends.
    client.once("established", ({ remoteHost }) =>
      over(type === 5 && remoteHost === undefined ? notSocks() : undefined),
    );
    client.on("error", ({ message }) => over(refusalOf(message)));
    for (const event of ["end", "close"]) socket.on(event, left);
    socket.on("error", over);
    if (signal.aborted) return aborted();
    signal.addEventListener("abort", aborted);
    client.connect(conversation);
    socket.on("readable", readOn);
  });
}

/** Of the negotiation by user and password (RFC 1929, section 2). */
const userVersion = 1;
const wantsUser = "it wants a user and a password";

/** What the library makes of a proxy's answers (RFC 1928, section 6), in words. */
const answers: readonly (readonly [RegExp, RefusalCode, string])[] = [
  [/NotAllowed/, "EPROXYDENIED", "its rules do not allow it"],
  [/NetworkUnreachable/, "EPROXYTARGET", "network unreachable"],
  [/HostUnreachable/, "EPROXYTARGET", "host unreachable"],
  [/ConnectionRefused/, "EPROXYTARGET", "connection refused"],
  [/TTLExpired/, "EPROXYTARGET", "TTL expired"],
  [/- Failure/, "EPROXYTARGET", "general failure"],
  [/CommandNotSupported/, "EPROXY", "it does not know the command"],
  [/AddressNotSupported/, "EPROXY", "it does not know this kind of address"],
  [/\(Failed\)/, "EPROXYTARGET", "request rejected or failed"],
  [/\(Rejected(Ident)?\)/, "EPROXYDENIED", "it does not know who asks (ident)"],
  [/no accepted authentication/, "EPROXYAUTH", `${wantsUser}, or others`],
  [/Authentication failed/, "EPROXYAUTH", "it does not accept the user and password"],
];

function refusalOf(message: string): Refusal {
  const [, code, why] = answers.find(([pattern]) => pattern.test(message)) ?? [];
  return code === undefined || why === undefined ? notSocks() : new Refusal(code, why);
}

const notSocks = () => new Refusal("EPROXY", "it does not answer as a SOCKS proxy of that version");

/**
 * The events that commands and endpoints emit, and the NDJSON schema of `--json`: each is one object
 * a line on stderr, with `time` (ISO 8601) added. README.md documents the fields; a test compares.
 */
export interface SocketAddress {
  address: string;
  port: number;
}

/** Where something listens or is bound: an IP address and port, or the path of a UNIX socket. */
export type Bound =
  | { transport: "tcp" | "udp"; address: string; port: number; family: "IPv4" | "IPv6" }
  | { transport: "unix"; path: string };

/** The two ends of a connection. */
export type Ends =
  | {
      transport: "tcp" | "udp";
      local: SocketAddress;
      /** Behind a proxy as it was typed, with a name or an address. */
      remote: SocketAddress;
      proxy?: SocketAddress;
    }
  | { transport: "unix"; path: string };

/** What a TLS handshake has agreed on, and who the peer showed to be. */
export interface TlsSession {
  /** "TLSv1.3" */
  protocol: string;
  /** The cipher suite as the RFCs name it: "TLS_AES_256_GCM_SHA384". */
  cipher: string;
  /** The application protocol (RFC 7301). */
  alpn: string | null;
  /** The common names of the peer's certificate and of its issuer. All null without a certificate. */
  subject: string | null;
  issuer: string | null;
  /** ISO 8601. */
  validFrom: string | null;
  validTo: string | null;
  /** "sha256:" and the SHA-256 of the certificate (DER) in hex. */
  pin: string | null;
  /** The certificate is the one of --pin, or from an authority that we trust and for the name we asked for. */
  authorized: boolean;
}

export type Event =
  | ({ event: "listening"; tls?: { pin: string } } & Bound)
  | ({ event: "connected"; id: number; tls?: TlsSession } & Ends)
  | { event: "datagram"; from: SocketAddress; bytes: number }
  | {
      event: "closed";
      id: number;
      /** Bytes of payload received from the peer, and bytes of ours that the system took for it. */
      received: number;
      sent: number;
      /** Milliseconds since the connection was there. */
      duration: number;
      /** "end", or the code of the error that ended it. */
      reason: string;
      /** For UDP: how many datagrams the bytes came in. */
      datagrams?: { received: number; sent: number };
      peer: string;
    }
  | {
      event: "error";
      message: string;
      code: string | null;
      exitCode: number;
      address: string | null;
      port: number | null;
      /** The connection it belongs to, where a listener serves several and lives on. */
      id?: number;
      /** The HTTP status that the peer was told. */
      status?: number;
    }
  | {
      event: "request";
      id: number;
      peer: string;
      method: string;
      /** As in the request line: "/hook?from=shop", or a whole URL. */
      target: string;
      /** "1.1" */
      version: string;
      /** As they were sent: in order, none joined, spelled as there. */
      headers: [name: string, value: string][];
    }
  | {
      event: "response";
      id: number;
      peer: string;
      status: number;
      reason: string;
      headers: [name: string, value: string][];
      /** "1.1"; of an answer that came. */
      version?: string;
      /** Of an answer that we gave: bytes of the body that we received, and of the one that we sent. */
      received?: number;
      sent?: number;
      /** Milliseconds since the request. */
      duration?: number;
    }
  | { event: "redirect"; id: number; status: number; method: string; url: string }
  | {
      event: "timing";
      id: number;
      /** Milliseconds that each part took; null for one that there was not. */
      resolve: number | null;
      connect: number | null;
      tls: number | null;
      /** From the request to the head of its answer. */
      firstByte: number | null;
      total: number;
    }
  | {
      event: "target";
      /** As typed. */
      target: string;
      state: "waiting" | "ready" | "gone";
      /** In words, what it answered last, and the code of that. */
      answer: string;
      code: string | null;
      attempts: number;
      /** Milliseconds since the start. */
      duration: number;
      /** It is another answer than the one before; those that are not are told with -v alone. */
      changed: boolean;
    }
  | {
      event: "scanned";
      host: string;
      addresses: string[];
      /** The ports that are open. */
      open: number[];
      /** How many are closed, and how many have not answered. */
      closed: number;
      unanswered: number;
      /** Milliseconds. */
      duration: number;
    }
  | {
      event: "progress";
      /** How many ports have been asked, of how many, and found open. */
      done: number;
      total: number;
      open: number;
    }
  | { event: "warning"; message: string }
  | { event: "retry"; attempt: number; delay: number; message: string }
  | { event: "refused"; remote: string; reason: string }
  | { event: "resolved"; name: string; addresses: string[] }
  | { event: "trying"; address: string; port: number }
  | { event: "option"; name: string; value: string | number | boolean }
  | {
      event: "data";
      id: number;
      direction: "received" | "sent";
      /** Count of bytes before these in this direction. */
      offset: number;
      /** The bytes, as lowercase hex digits. */
      hex: string;
    };

export type EventName = Event["event"];

/** Takes an event; never throws and never waits. */
export type Emit = (event: Event) => void;

/** "127.0.0.1:9000" or "[::1]:9000". */
export function hostPort(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${String(port)}` : `${address}:${String(port)}`;
}

import type { Cell, Scale } from "../cell.ts";
import { gigabytesPerSecond, measureReceive, measureSend, type Transport } from "./throughput.ts";

const nc = { unable: "no TLS" };

/** A client verifies the server, and a server asks for no certificate. */
const tls: Transport = {
  name: "TLS",
  send: {
    portcat: "portcat tcp connect 127.0.0.1 PORT -q --tls --ca CERT --servername localhost",
    nc,
    ncat: "ncat --send-only --ssl-verify --ssl-trustfile CERT --ssl-servername localhost 127.0.0.1 PORT",
    socat: "socat -u - OPENSSL:127.0.0.1:PORT,cafile=CERT,commonname=localhost",
  },
  receive: {
    portcat: "portcat tcp listen 127.0.0.1 PORT -q --receive-only --tls --cert CERT --key KEY",
    nc,
    ncat: "ncat -l --recv-only --ssl --ssl-cert CERT --ssl-key KEY 127.0.0.1 PORT",
    socat: "socat -u OPENSSL-LISTEN:PORT,bind=127.0.0.1,cert=CERT,key=KEY,verify=0 -",
  },
};

/** Bytes a second through one TLS connection, by the version and cipher suite that all tools prefer. */
export function tlsCells({ modes, throughputBytes: bytes }: Scale): Cell[] {
  const cell = (name: string, tools: Cell["tools"], measure: Cell["measure"]): Cell => ({
    name,
    modes,
    metrics: [gigabytesPerSecond({ ratio: 1 })],
    tools,
    note: "GB/s from the connection to the end; TLS 1.3, AES-256-GCM",
    bytes,
    measure,
  });
  return [
    cell("file -> TLS", tls.send, (attempt) => measureSend(attempt, tls, "file")),
    cell("TLS -> pipe", tls.receive, (attempt) => measureReceive(attempt, tls, "pipe")),
  ];
}

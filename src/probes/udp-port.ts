import { createSocket } from "node:dgram";
import { codeOf } from "../errors.ts";
import { hostPort } from "../events.ts";
import { isPassing, type Probe, type Verdict } from "./verdict.ts";

/** A query for the name servers of the root (RFC 1035, section 4). */
const dnsQuery = Buffer.from("7063010000010000000000000000020001", "hex");
/** A client's request, version 4 (RFC 5905, section 7.3). */
const ntpRequest = Buffer.concat([Buffer.from([0x23]), Buffer.alloc(47)]);
/** What the system describes itself as, asked of the community "public" (RFC 1157, section 4). */
const snmpRequest = Buffer.from(
  "302602010004067075626c6963a019020101020100020100300e300c06082b060102010101000500",
  "hex",
);

const refused: Verdict = { state: "closed", code: "ECONNREFUSED" };

/** What services answer to, by port; others are sent an empty datagram. */
const questions = new Map([
  [53, dnsQuery],
  [123, ntpRequest],
  [161, snmpRequest],
]);

/**
 * The places of our own sockets. The system may give us the very port that we ask, or one that
 * another probe asks: nobody else has it then, and what comes from there is a question of ours.
 */
const ourPlaces = new Set<string>();

/**
 * Asks a UDP port, twice, for a datagram may get lost: a reply is open, a refusal (ICMP, which only
 * a connected socket is told of) is closed, and silence is no answer.
 *
 * @param done - called once, when the socket is closed
 * @param question - what it is sent
 * @returns what ends it without an answer
 */
export function probeUdp(
  { address, family, port, timeoutMs }: Probe,
  done: (verdict: Verdict | Error) => void,
  question: Uint8Array = questions.get(port) ?? Buffer.alloc(0),
): () => void {
  const socket = createSocket(family === 4 ? "udp4" : "udp6");
  let again: NodeJS.Timeout | undefined;
  let over = false;
  let ourPlace: string | undefined;
  const isOurs = () => ourPlaces.has(hostPort(address, port));
  const end = (verdict: Verdict | Error) => {
    if (over) return;
    over = true;
    clearTimeout(again);
    clearTimeout(timer);
    if (ourPlace !== undefined) ourPlaces.delete(ourPlace);
    socket.removeAllListeners();
    socket.on("error", () => undefined);
    socket.close(() => done(verdict));
  };
  const late = () => end({ state: "no answer", code: "ETIMEDOUT" });
  const timer = setTimeout(late, timeoutMs);
  const failed = (error: Error) => {
    const code = codeOf(error);
    if (isPassing(code)) return end(error);
    end(code === "ECONNREFUSED" ? refused : { state: "no answer", code });
  };
  const ask = () => socket.send(question, (error) => error && failed(error));
  socket.on("error", failed);
  // Until it is connected, a socket hears everybody.
  socket.on("message", (bytes, from) => {
    if (from.port !== port || ourPlace === undefined) return;
    if (isOurs()) end(refused);
    else end({ state: "open", banner: bytes });
  });
  socket.once("connect", () => {
    if (over) return;
    const local = socket.address();
    ourPlaces.add((ourPlace = hostPort(local.address, local.port)));
    if (isOurs()) return end(refused);
    ask();
    again = setTimeout(ask, timeoutMs / 2);
  });
  socket.connect(port, address);
  return late;
}

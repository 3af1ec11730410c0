import { defectWords } from "../errors.ts";
import { type Event, hostPort, type TlsSession } from "../events.ts";

export type Paint = (text: string) => string;
export type Colors = Record<
  "dim" | "green" | "yellow" | "red" | "cyan" | "magenta" | "reset",
  Paint
>;

const unpainted: Paint = (text) => text;
export const plain: Colors = {
  dim: unpainted,
  green: unpainted,
  yellow: unpainted,
  red: unpainted,
  cyan: unpainted,
  magenta: unpainted,
  reset: unpainted,
};

const prefix = "portcat:";

/**
 * An event for people: a line, and of some more of them. Each has its line end.
 *
 * @param fit - shortens a line's text, behind so many letters, to what there is room for
 */
export function inWords(
  event: Event,
  colors: Colors,
  verbose: boolean,
  fit: (text: string, taken: number) => string = (text) => text,
): string {
  if (event.event === "data") return hexDump(event, colors);
  const [line, color] = lineOf(event, colors, verbose);
  const first = `${colors.dim(prefix)} ${color(fit(safe(line), prefix.length + 1))}\n`;
  return event.event === "request" ? first + headerLines(event.headers) : first;
}

/** A header a line, indented. */
function headerLines(headers: readonly (readonly [name: string, value: string])[]): string {
  return headers.map(([name, value]) => `  ${safe(`${name}: ${value}`)}\n`).join("");
}

/**
 * Names come from the network, too, as in a certificate: no control byte of theirs is one of ours.
 * The lines of a defect's stack stay.
 */
function safe(line: string): string {
  if (!line.startsWith(defectWords)) return withoutControls(line);
  return line.split("\n").map(withoutControls).join("\n");
}

/** JSON without the control characters that it may have as they are (U+007F to U+009F). */
export function inJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[\x7f-\x9f]/g,
    (control) => `\\u00${control.charCodeAt(0).toString(16)}`,
  );
}

/** A text whose control characters are shown as \x1b. */
export function withoutControls(text: string): string {
  return text.replaceAll(
    /\p{Cc}/gu,
    (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

function lineOf(
  event: Exclude<Event, { event: "data" }>,
  colors: Colors,
  verbose: boolean,
): [string, Paint] {
  switch (event.event) {
    case "listening":
      return [
        `listening on ${boundInWords(event)}${event.tls ? `, TLS, --pin ${event.tls.pin}` : ""}`,
        colors.green,
      ];
    case "connected":
      return [connectedInWords(event, verbose), colors.green];
    case "datagram":
      return [
        `${new Date().toISOString().slice(11, 23)} ${hostPort(event.from.address, event.from.port)}: ${bytesInWords(event.bytes)}`,
        colors.cyan,
      ];
    case "closed":
      return [closedInWords(event), event.reason === "end" ? colors.reset : colors.yellow];
    case "request":
      return [`${event.peer}: ${event.method} ${event.target} HTTP/${event.version}`, colors.cyan];
    case "error":
      return [event.message, colors.red];
    case "warning":
      return [event.message, colors.yellow];
    case "retry":
      return [
        `${event.message}; trying again in ${secondsInWords(event.delay)} (attempt ${String(event.attempt)})`,
        colors.yellow,
      ];
    case "refused":
      return [`turned ${event.remote} away: ${event.reason}`, colors.yellow];
    case "response":
      return [responseInWords(event, verbose), event.status < 400 ? colors.green : colors.yellow];
    case "redirect":
      return [`redirected (${String(event.status)}): ${event.method} ${event.url}`, colors.dim];
    case "timing":
      return [timingInWords(event), colors.dim];
    case "target":
      return [targetInWords(event), event.state === "waiting" ? colors.yellow : colors.green];
    case "scanned":
      return [scannedInWords(event), colors.reset];
    case "progress":
      return [progressInWords(event), colors.dim];
    case "resolved":
      return [`${event.name} is ${event.addresses.join(", ")}`, colors.dim];
    case "trying":
      return [`trying ${hostPort(event.address, event.port)}`, colors.dim];
    case "option":
      return [`${event.name} is ${String(event.value)}`, colors.dim];
  }
}

function boundInWords(event: Extract<Event, { event: "listening" }>): string {
  if (event.transport === "unix") return event.path;
  const place = hostPort(event.address, event.port);
  const all = event.address === "::" || event.address === "0.0.0.0";
  return `${place} (${event.transport}${all ? ", all interfaces" : ""})`;
}

function connectedInWords(
  event: Extract<Event, { event: "connected" }>,
  withDetails: boolean,
): string {
  const tls = event.tls ? `, ${sessionInWords(event.tls, withDetails)}` : "";
  if (event.transport === "unix") return `connected: ${event.path}${tls}`;
  const { local, remote } = event;
  if (remote.address === "") return "connected: a peer that is gone";
  const through = event.proxy ? ` through ${hostPort(event.proxy.address, event.proxy.port)}` : "";
  const here = withDetails ? ` from ${hostPort(local.address, local.port)}` : "";
  return `connected: ${hostPort(remote.address, remote.port)}${through}${here}${tls}`;
}

function sessionInWords(tls: TlsSession, withDetails: boolean): string {
  const { protocol, cipher, alpn, subject, issuer, validFrom, validTo, pin } = tls;
  const agreed = `${protocol} ${cipher}${alpn === null ? "" : `, ALPN ${alpn}`}`;
  if (!withDetails) return agreed;
  if (pin === null) return `${agreed}, no certificate`;
  const dates = `from ${validFrom ?? ""} to ${validTo ?? ""}`;
  return `${agreed}, certificate of ${subject ?? ""} by ${issuer ?? ""}, valid ${dates}, ${pin}`;
}

function closedInWords(event: Extract<Event, { event: "closed" }>): string {
  const { received, sent, datagrams } = event;
  const counts = datagrams
    ? `received ${countInWords(datagrams.received, "datagram")} (${bytesInWords(received)}), sent ${countInWords(datagrams.sent, "datagram")} (${bytesInWords(sent)})`
    : `received ${bytesInWords(received)}, sent ${bytesInWords(sent)}`;
  const why = event.reason === "end" ? "" : ` (${event.reason})`;
  return `closed: ${event.peer}: ${counts} in ${secondsInWords(event.duration)}${why}`;
}

function responseInWords(
  event: Extract<Event, { event: "response" }>,
  withDetails: boolean,
): string {
  const { peer, version, status, reason, headers } = event;
  const said = reason === "" ? String(status) : `${String(status)} ${reason}`;
  if (version === undefined) {
    const { received = 0, sent = 0, duration = 0 } = event;
    return `${peer}: ${said}, received ${bytesInWords(received)}, sent ${bytesInWords(sent)} in ${secondsInWords(duration)}`;
  }
  const line = `HTTP/${version} ${said}`;
  const fields = headers.map(([name, value]) => `${name}: ${value}`);
  return withDetails && fields.length > 0 ? `${line}; ${fields.join("; ")}` : line;
}

function timingInWords(event: Extract<Event, { event: "timing" }>): string {
  const { resolve, connect, tls, firstByte, total } = event;
  const parts = { resolve, connect, TLS: tls, "first byte": firstByte, total };
  const told = Object.entries(parts).filter(([, time]) => time !== null);
  return `timing: ${told.map(([name, time]) => `${name} ${String(time)} ms`).join(", ")}`;
}

function targetInWords(event: Extract<Event, { event: "target" }>): string {
  const { target, state, answer, duration, attempts } = event;
  const tries = countInWords(attempts, "attempt");
  return state === "waiting"
    ? `${target}: ${answer}, ${tries} in ${secondsInWords(duration)}`
    : `${target} is ${state} after ${secondsInWords(duration)}, ${tries}: ${answer}`;
}

const mostPortsListed = 20;

function scannedInWords(event: Extract<Event, { event: "scanned" }>): string {
  const { host, open, closed, unanswered, duration } = event;
  const listed = open.slice(0, mostPortsListed).map(String);
  if (open.length > listed.length) listed.push("...");
  const which = open.length === 0 ? "" : ` (${listed.join(", ")})`;
  return `${host}: ${countInWords(open.length, "port")} open${which}, ${String(closed)} closed, ${String(unanswered)} without an answer, in ${secondsInWords(duration)}`;
}

function progressInWords({ done, total, open }: Extract<Event, { event: "progress" }>): string {
  return `${String(done)} of ${countInWords(total, "port")} asked, ${String(open)} open`;
}

function countInWords(count: number, noun: string): string {
  return `${String(count)} ${noun}${count === 1 ? "" : "s"}`;
}

const bytesInWords = (bytes: number) => countInWords(bytes, "byte");
const secondsInWords = (milliseconds: number) => `${String(Math.round(milliseconds) / 1000)} s`;

/** Rows of sixteen bytes, as hexdump -C shows them, with an arrow for the direction. */
function hexDump(event: Extract<Event, { event: "data" }>, colors: Colors): string {
  const bytes = Buffer.from(event.hex, "hex");
  const sent = event.direction === "sent";
  const color = sent ? colors.cyan : colors.magenta;
  let rows = "";
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const digits = Array.from(row, (byte) => byte.toString(16).padStart(2, "0"));
    const halves = `${digits.slice(0, 8).join(" ")}  ${digits.slice(8).join(" ")}`.padEnd(48);
    const text = row.toString("latin1").replaceAll(/[^\x20-\x7e]/g, ".");
    const offset = (event.offset + at).toString(16).padStart(8, "0");
    rows += `${color(`${sent ? ">" : "<"} ${offset}  ${halves}  |${text}|`)}\n`;
  }
  return rows;
}

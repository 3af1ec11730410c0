import { beforeEach, describe, expect, test, vi } from "vitest";
import { createReporter, type ReporterOptions } from "../../src/cli/reporter.ts";
import type { Event } from "../../src/events.ts";

beforeEach(() => {
  for (const name of ["FORCE_COLOR", "NO_COLOR"]) vi.stubEnv(name, undefined);
});

async function report(event: Event, options: Partial<ReporterOptions> = {}): Promise<string> {
  let written = "";
  const all = {
    json: false,
    level: "normal",
    color: false,
    showDatagrams: () => true,
    hasLiveLines: () => false,
    ...options,
  } as const;
  const { emit } = await createReporter(all, (text) => (written += text));
  emit(event);
  return written;
}

const local = { address: "127.0.0.1", port: 9000 };
const remote = { address: "::1", port: 40_000 };
const closed = {
  event: "closed" as const,
  id: 1,
  peer: "127.0.0.1:40000",
  received: 1,
  sent: 2048,
  duration: 1234,
  reason: "end",
};
const error = {
  event: "error" as const,
  message: "cannot connect to 127.0.0.1:9 (localhost): connection refused (ECONNREFUSED)",
  code: "ECONNREFUSED",
  exitCode: 4,
  address: "127.0.0.1",
  port: 9,
};

/** What happens, the line for people, and the least talkative level that shows it. */
const cases: [string, Event, string, ReporterOptions["level"]][] = [
  [
    "a listener",
    { event: "listening", transport: "tcp", family: "IPv4", ...local },
    "listening on 127.0.0.1:9000 (tcp)",
    "normal",
  ],
  [
    "a listener on all interfaces",
    { event: "listening", transport: "tcp", family: "IPv6", address: "::", port: 9000 },
    "listening on [::]:9000 (tcp, all interfaces)",
    "normal",
  ],
  [
    "a UDP socket on all IPv4 interfaces",
    { event: "listening", transport: "udp", family: "IPv4", address: "0.0.0.0", port: 53 },
    "listening on 0.0.0.0:53 (udp, all interfaces)",
    "normal",
  ],
  [
    "a UNIX listener",
    { event: "listening", transport: "unix", path: "/run/x.sock" },
    "listening on /run/x.sock",
    "normal",
  ],
  [
    "a connection",
    { event: "connected", id: 1, transport: "tcp", local, remote },
    "connected: [::1]:40000",
    "normal",
  ],
  [
    "a UNIX connection",
    { event: "connected", id: 1, transport: "unix", path: "/run/x.sock" },
    "connected: /run/x.sock",
    "normal",
  ],
  [
    "an end with its totals",
    closed,
    "closed: 127.0.0.1:40000: received 1 byte, sent 2048 bytes in 1.234 s",
    "normal",
  ],
  [
    "a failed end",
    { ...closed, reason: "ECONNRESET" },
    "closed: 127.0.0.1:40000: received 1 byte, sent 2048 bytes in 1.234 s (ECONNRESET)",
    "normal",
  ],
  [
    "an end over UDP",
    { ...closed, datagrams: { received: 1, sent: 2 } },
    "closed: 127.0.0.1:40000: received 1 datagram (1 byte), sent 2 datagrams (2048 bytes) in 1.234 s",
    "normal",
  ],
  ["an error", error, error.message, "quiet"],
  ["a warning", { event: "warning", message: "stdin is silent" }, "stdin is silent", "normal"],
  [
    "a retry",
    { event: "retry", attempt: 2, delay: 1500, message: "refused" },
    "refused; trying again in 1.5 s (attempt 2)",
    "normal",
  ],
  [
    "somebody turned away",
    { event: "refused", remote: "192.0.2.1:5000", reason: "2 clients are connected" },
    "turned 192.0.2.1:5000 away: 2 clients are connected",
    "normal",
  ],
  [
    "a resolved name",
    { event: "resolved", name: "localhost", addresses: ["::1", "127.0.0.1"] },
    "localhost is ::1, 127.0.0.1",
    "verbose",
  ],
  ["an address tried", { event: "trying", ...remote }, "trying [::1]:40000", "verbose"],
  ["an option", { event: "option", name: "TOS", value: 184 }, "TOS is 184", "verbose"],
];

const levels = ["quiet", "normal", "verbose"] as const;

describe("for people", () => {
  test.each(cases)("%s is one line, from its level on", async (_, event, line, lowest) => {
    for (const level of levels) {
      const shown = levels.indexOf(level) >= levels.indexOf(lowest);
      const text = await report(event, { level });
      // A talkative line may go on where the short one ends.
      if (!shown) expect(text).toBe("");
      else if (level === "verbose") expect(text).toMatch(/^[^\n]+\n$/);
      else expect(text).toBe(`portcat: ${line}\n`);
      if (shown) expect(text.trimEnd().startsWith(`portcat: ${line}`)).toBe(true);
    }
  });

  test("a connection has our own address too where more is asked for", async () => {
    const event: Event = { event: "connected", id: 1, transport: "tcp", local, remote };
    expect(await report(event)).not.toContain("127.0.0.1");
    expect(await report(event, { level: "verbose" })).toContain("[::1]:40000 from 127.0.0.1:9000");
  });

  test("a datagram is a line with time, sender and size where somebody watches, or asked for more", async () => {
    const event: Event = { event: "datagram", from: remote, bytes: 1 };
    const line = /^portcat: \d\d:\d\d:\d\d\.\d{3} \[::1\]:40000: 1 byte\n$/;
    expect(await report(event)).toMatch(line);
    expect(await report(event, { showDatagrams: () => false })).toBe("");
    expect(await report(event, { showDatagrams: () => false, level: "verbose" })).toMatch(line);
    expect(await report(event, { level: "quiet" })).toBe("");
  });

  test("a hex dump has rows of sixteen bytes, as hexdump -C shows them, from its offset", async () => {
    const hex = Buffer.from("GET / HTTP/1.1\r\n\0\xff", "latin1").toString("hex");
    expect(await report({ event: "data", id: 1, direction: "sent", offset: 0x1f0, hex })).toBe(
      "> 000001f0  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  |GET / HTTP/1.1..|\n" +
        "> 00000200  00 ff                                             |..|\n",
    );
    const event: Event = { event: "data", id: 1, direction: "received", offset: 0, hex: "41" };
    const row = `< 00000000  41${" ".repeat(48)}|A|\n`;
    for (const level of levels) expect(await report(event, { level })).toBe(row);
    expect(await report({ ...event, hex: "" })).toBe("");
  });

  test("control characters in names from the network are shown as text", async () => {
    const message = "no TLS with ::1: the certificate of \x1b[31mevil\nportcat: \u009b is expired";
    const line = await report({ ...error, message });
    expect(line).toBe(
      "portcat: no TLS with ::1: the certificate of \\x1b[31mevil\\x0aportcat: \\x9b is expired\n",
    );
  });

  test("escape sequences in a dump reach no terminal", async () => {
    const hex = Buffer.from("\x1b[2J\x9b\x7f", "latin1").toString("hex");
    const dump = await report({ event: "data", id: 1, direction: "received", offset: 0, hex });
    expect(dump).toMatch(/\|\.\[2J\.\.\|\n$/);
    expect(dump).not.toContain("\x1b");
  });
});

describe("with --json", () => {
  test.each(cases)("%s is one object with event, time and its fields", async (_, event) => {
    const text = await report(event, { json: true, level: "verbose" });
    expect(text).toMatch(/^[^\n]+\n$/);
    const { time, ...rest } = JSON.parse(text) as Event & { time: string };
    expect(rest).toEqual(event);
    expect(new Date(time).toISOString()).toBe(time);
    expect(Math.abs(Date.parse(time) - Date.now())).toBeLessThan(10_000);
    expect(Object.keys(JSON.parse(text) as object).slice(0, 2)).toEqual(["event", "time"]);
  });

  test("every datagram is told, whoever watches", async () => {
    const event: Event = { event: "datagram", from: local, bytes: 0 };
    expect(
      JSON.parse(await report(event, { json: true, showDatagrams: () => false })),
    ).toMatchObject(event);
  });

  test("--quiet and --verbose mean the same as for people", async () => {
    for (const [, event, , lowest] of cases)
      for (const level of levels)
        expect((await report(event, { json: true, level })) !== "").toBe(
          levels.indexOf(level) >= levels.indexOf(lowest),
        );
  });

  test("no colours, even if they are forced", async () => {
    vi.stubEnv("FORCE_COLOR", "1");
    expect(await report(error, { json: true, color: true })).not.toContain("\x1b");
  });
});

describe("colours", () => {
  test.each([
    ["are off with --no-color, whatever the environment says", false, { FORCE_COLOR: "1" }, false],
    ["are on with FORCE_COLOR", undefined, { FORCE_COLOR: "1" }, true],
    [
      "are on with FORCE_COLOR, even beside NO_COLOR",
      undefined,
      { FORCE_COLOR: "1", NO_COLOR: "1" },
      true,
    ],
    ["are off with FORCE_COLOR=0", undefined, { FORCE_COLOR: "0" }, false],
    ["are off with NO_COLOR", undefined, { NO_COLOR: "1" }, false],
    ["are on where they are asked for", true, { NO_COLOR: "1" }, true],
  ])("%s", async (_, color, environment, expected) => {
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
    expect((await report(error, { color })).includes("\x1b[")).toBe(expected);
  });

  test("change nothing but the colour of a line", async () => {
    for (const [, event, line] of cases) {
      const colored = await report(event, { color: true, level: "verbose" });
      expect(colored.replaceAll(/\x1b\[\d+m/g, "")).toBe(await report(event, { level: "verbose" }));
      expect(colored).toContain(line);
    }
  });
});

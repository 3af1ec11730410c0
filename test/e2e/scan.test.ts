import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { udpPeer } from "../helpers/datagrams.ts";
import { fullListener } from "../helpers/full-listener.ts";
import {
  hostsCanBeReplaced,
  inOwnNetwork,
  networkCanBeSilent,
  portcatWithHosts,
  portcatWithPorts,
  portcatWithSilentResolver,
} from "../helpers/namespace.ts";
import { hasIPv6 } from "../helpers/peers.ts";
import { hasTerminals, onTerminal } from "../helpers/pseudo-terminal.ts";
import { freePort, startServer } from "../helpers/sockets.ts";
import { bin, portcat, Running, temporaryFolder, Tool } from "../helpers/tool.ts";

const scan = (...args: string[]) => portcat(["scan", ...args]);
const linuxOnly = test.skipIf(process.platform !== "linux");

/** A server that says something to whoever comes, and what became of its clients. */
async function speaker(words: string, host = "127.0.0.1") {
  const outcomes: Promise<string>[] = [];
  const server = createServer((socket) => {
    socket.write(words);
    outcomes.push(
      new Promise((resolve) => {
        socket.on("end", () => resolve("end"));
        socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
        socket.on("close", () => resolve("close"));
      }),
    );
    socket.resume();
  });
  onTestFinished(() => void server.close());
  server.listen(0, host);
  await once(server, "listening");
  return { port: (server.address() as { port: number }).port, outcomes };
}

describe("scan", () => {
  test("tells of each port whether it is open, in order, and is exit code 11 where one is not", async () => {
    const [one, two] = [(await startServer()).port, await freePort()];
    const ports = [one, two].toSorted((a, b) => a - b);
    const { code, stdout, stderr } = await scan("127.0.0.1", `${String(one)},${String(two)}`).ended;
    const lines = ports.map((port) => `${String(port)} ${port === one ? "open" : "closed"}\n`);
    expect([code, stdout.toString()]).toEqual([11, lines.join("")]);
    expect(stderr).toMatch(
      /^portcat: 127.0.0.1: 1 port open \(\d+\), 1 closed, 0 without an answer, in [\d.]+ s\nportcat: 1 of 2 ports of 127.0.0.1 are open\n$/,
    );
  });

  test("is exit code 0 where all are open, and with --any where one is", async () => {
    const [open, closed] = [String((await startServer()).port), String(await freePort())];
    expect((await scan("127.0.0.1", open).ended).code).toBe(0);
    const both = scan("127.0.0.1", open, closed, "--any", "--open-only");
    const { code, stdout } = await both.ended;
    expect([code, stdout.toString()]).toEqual([0, `${open} open\n`]);
    expect((await scan("127.0.0.1", closed, "--any").ended).code).toBe(11);
  });

  test("tells a port that keeps silent from one that refuses, after --connect-timeout", async () => {
    const port = String(await fullListener());
    const tool = new Tool(["scan", "127.0.0.1", port, "-w", "200ms"]);
    const { code, stdout } = await tool.ended;
    expect(code).toBe(11);
    expect(JSON.parse(stdout.toString())).toEqual({
      host: "127.0.0.1",
      address: "127.0.0.1",
      port: Number(port),
      transport: "tcp",
      state: "no answer",
      code: "ETIMEDOUT",
    });
    expect(tool.all("scanned")).toMatchObject([{ open: [], closed: 0, unanswered: 1 }]);
    expect(tool.all("error")).toMatchObject([{ code: "ENOTOPEN", exitCode: 11 }]);
  });

  test("with --banner shows the first line that a service says, with its control bytes as text", async () => {
    const { port } = await speaker("\r\nSSH-2.0-x\x1b[2J\r\nmore\r\n");
    const said = await scan("127.0.0.1", String(port), "--banner").ended;
    expect([said.code, said.stdout.toString()]).toEqual([
      0,
      `${String(port)} open SSH-2.0-x\\x1b[2J\n`,
    ]);
    const silent = String((await startServer()).port);
    const quiet = await scan("127.0.0.1", silent, "--banner", "-w", "100ms").ended;
    expect([quiet.code, quiet.stdout.toString()]).toEqual([0, `${silent} open\n`]);
  });

  test("leaves with a FIN, also where the service has said something (row 26)", async () => {
    const { port, outcomes } = await speaker("220 mail.example ESMTP\r\n");
    expect((await scan("127.0.0.1", String(port)).ended).code).toBe(0);
    expect(await Promise.all(outcomes)).toEqual(["end"]);
  });

  test.skipIf(!hasIPv6 || !hostsCanBeReplaced)(
    "finds what one of a name's addresses has open (row 28)",
    async () => {
      const { port } = await speaker("hello", "127.0.0.1");
      const hosts = "::1 both.test\n127.0.0.1 both.test\n";
      const asked = (...flags: string[]) =>
        portcatWithHosts(hosts, ["scan", "both.test", String(port), ...flags]).ended;
      const either = await asked();
      expect([either.code, either.stdout.toString()]).toEqual([0, `${String(port)} open\n`]);
      const only = await asked("-6");
      expect([only.code, only.stdout.toString()]).toEqual([11, `${String(port)} closed\n`]);
    },
  );

  linuxOnly("says so where its stdout was closed", async () => {
    const port = String((await startServer()).port);
    const script = `"$0" "$1" scan 127.0.0.1 ${port} >&-; "$0" "$1" address >&-; "$0" "$1" wait ${port} --json -q >&-`;
    const { stderr } = await new Running("sh", ["-c", script, process.execPath, bin]).ended;
    expect(stderr.match(/stdout is closed or \/dev\/null/g)).toHaveLength(2);
  });

  test.skipIf(!hostsCanBeReplaced)("asks an address once that a name has twice", async () => {
    const hosts = "127.0.0.1 twice.test\n127.0.0.1 twice.test\n";
    const { stderr } = await portcatWithHosts(hosts, ["scan", "twice.test", "1", "--json"]).ended;
    expect(stderr).toContain('"addresses":["127.0.0.1"]');
  });

  test("takes a service that ends at once for one that is there", async () => {
    const server = createServer((socket) => void socket.resetAndDestroy());
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    for (let nth = 0; nth < 5; nth++)
      expect((await scan("127.0.0.1", String(port), "-q").ended).code).toBe(0);
  });

  test("never reads stdin (row 12)", async () => {
    const port = String((await startServer()).port);
    const script = `"$0" "$1" scan 127.0.0.1 ${port} >/dev/null 2>&1; cat`;
    const shell = new Running("sh", ["-c", script, process.execPath, bin]);
    shell.stdin.end("the loop's own input");
    expect((await shell.ended).stdout.toString()).toBe("the loop's own input");
  });

  test.skipIf(!hasTerminals)("on a terminal shows how far it is, and takes that away", async () => {
    const port = String(await fullListener());
    const tool = onTerminal(["scan", "127.0.0.1", port, "-w", "1s"], "", "xterm");
    const shown = (await tool.ended).stdout.toString();
    const progress = "portcat: 0 of 1 port asked, 0 open\r\n";
    const taken = "\x1b[1A\x1b[J";
    expect(shown).toContain(`${progress}${taken}`);
    const last = shown.slice(shown.lastIndexOf(taken) + taken.length);
    expect(last).toMatch(
      /^1?\d+ no answer\r\nportcat: 127.0.0.1: 0 ports open, .*\r\n.* is not open\r\n$/,
    );
  });

  test("tells what it knows when it is ended, also behind a port that keeps silent", async () => {
    const [silent, open] = [await fullListener(), (await startServer()).port];
    const args = ["127.0.0.1", String(silent), String(open), "-w", "20s"];
    const { code, stdout } = await scan(...args, "--timeout", "500ms", "-q").ended;
    expect([code, stdout.toString()]).toEqual([5, `${String(open)} open\n`]);
  });

  test("of a name that does not resolve is exit code 3", async () => {
    expect((await scan("nowhere.invalid", "80").ended).code).toBe(3);
  });

  test("ends with a signal, with --timeout, and when nobody reads its stdout", async () => {
    const port = String(await fullListener());
    const tool = new Tool(["scan", "127.0.0.1", port, "-w", "20s", "-v"]);
    await tool.event("progress");
    tool.child.kill("SIGINT");
    expect((await tool.ended).code).toBe(130);
    const stuck = new Running(
      "sh",
      ["-c", `"$0" "$1" scan 127.0.0.1 1-65535 --timeout 2s | sleep 20`, process.execPath, bin],
      { stdout: "ignore" },
    );
    await stuck.says(/of --timeout \(ETIMEDOUT\)/);
    stuck.child.kill("SIGKILL");
    const late = await scan("127.0.0.1", port, "-w", "20s", "--timeout", "300ms").ended;
    expect(late.code).toBe(5);
    const script = `"$0" "$1" scan 127.0.0.1 1-65535; echo "exit $?" >&2`;
    const shell = spawn("bash", ["-c", `{ ${script}; } | head -n 1`, process.execPath, bin]);
    let stderr = "";
    shell.stderr.on("data", (text: Buffer) => (stderr += text.toString()));
    await once(shell, "close");
    // More than a pipe holds.
    expect(stderr).toMatch(/exit 141\n$/);
  });

  linuxOnly("waits for descriptors where there are fewer than --parallel", async () => {
    const script = `ulimit -n 64; exec "$0" "$1" scan 127.0.0.1 1-3000 --open-only --any`;
    const tool = new Running("sh", ["-c", script, process.execPath, bin]);
    const { code, stderr } = await tool.ended;
    expect([0, 11]).toContain(code);
    expect(stderr).toMatch(/ 0 without an answer, in /);
  });

  test.skipIf(!networkCanBeSilent)(
    "waits for descriptors also where they are held by ports that keep silent",
    async () => {
      const script = `ulimit -n 64; exec "$@" scan 192.0.2.53 1-100 -w 200ms --open-only`;
      const { code, stderr } = await inOwnNetwork(script).ended;
      expect([code, stderr.includes("0 closed, 100 without an answer")]).toEqual([11, true]);
    },
  );

  test.skipIf(!networkCanBeSilent)("asks what it can where IPv6 is off", async () => {
    const off = "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6";
    const hosts = 'mount --bind "$HOSTS" /etc/hosts';
    const path = join(temporaryFolder(), "hosts");
    writeFileSync(path, "::1 both.test\n127.0.0.1 both.test\n");
    const started = (flags: string) =>
      inOwnNetwork(`${off}\n${hosts}\nexec "$@" scan both.test 1-300 ${flags}`, {
        env: { HOSTS: path },
      }).ended;
    for (const flags of ["", "--udp"]) {
      const { code, stderr } = await started(flags);
      expect([code, stderr]).toEqual([
        11,
        expect.stringContaining("0 ports open, 300 closed, 0 without"),
      ]);
    }
    expect((await started("-6")).code).toBe(6);
  });

  linuxOnly("never has more sockets than --parallel", async () => {
    const tool = new Tool(["scan", "127.0.0.1", "1-30000", "--parallel", "20", "--open-only"]);
    let most = 0;
    const look = () => {
      try {
        most = Math.max(most, readdirSync(`/proc/${String(tool.child.pid)}/fd`).length);
      } catch {
        return;
      }
      setImmediate(look);
    };
    look();
    await tool.ended;
    expect(most).toBeGreaterThan(20);
    expect(most).toBeLessThan(20 + 40);
  });

  test.skipIf(!networkCanBeSilent)(
    "does not take itself for a service, and asks all 65,535 ports",
    async () => {
      // Its own ports are among those that it asks.
      const udp = portcatWithPorts([40_000, 40_099], ["scan", "127.0.0.1", "40000-40099", "--udp"]);
      expect((await udp.ended).stderr).toContain("0 ports open, 100 closed, 0 without an answer");
      const tool = portcatWithSilentResolver(1, ["scan", "127.0.0.1", "1-65535", "--open-only"]);
      const { code, stdout, stderr } = await tool.ended;
      expect([code, stdout.toString()]).toEqual([11, ""]);
      expect(stderr).toContain("0 ports open, 65535 closed, 0 without an answer");
    },
  );

  test.skipIf(!networkCanBeSilent)(
    "of a filtered range takes its timeout divided by the parallelism (row 34)",
    async () => {
      const args = ["scan", "192.0.2.53", "1-400", "--parallel", "200", "-w", "500ms"];
      const tool = portcatWithSilentResolver(1, [...args, "--json"]);
      const { code, stderr } = await tool.ended;
      const scanned = /"unanswered":400,"duration":(\d+)/.exec(stderr)?.[1];
      expect(code).toBe(11);
      // One after another it would be 200 s.
      expect(Number(scanned)).toBeLessThan(20_000);
    },
  );

  test.skipIf(!networkCanBeSilent)("where there is no way to the host is exit code 6", async () => {
    const tool = portcatWithSilentResolver(1, ["scan", "198.51.100.1", "80", "81"]);
    const { code, stderr } = await tool.ended;
    expect(code).toBe(6);
    expect(stderr).toContain("cannot reach 198.51.100.1: network unreachable (ENETUNREACH)");
    const udp = portcatWithSilentResolver(1, ["scan", "198.51.100.1", "80", "--udp"]);
    expect((await udp.ended).code).toBe(6);
  });
});

describe("scan --udp", () => {
  test("tells open, closed, and no answer (row 23)", async () => {
    const echo = await udpPeer();
    echo.socket.on("message", (_, { port }) => echo.socket.send("pong", port, "127.0.0.1"));
    const silent = await udpPeer();
    const closed = await udpPeer();
    await closed.close();
    const ports = [echo, silent, closed].map(({ port }) => String(port));
    const tool = scan("127.0.0.1", ...ports, "--udp", "--banner", "-w", "200ms");
    const { code, stdout } = await tool.ended;
    expect(code).toBe(11);
    const states = new Map(
      stdout
        .toString()
        .trim()
        .split("\n")
        .map((line) => [line.split(" ")[0], line.replace(/^\d+ /, "")]),
    );
    expect(ports.map((port) => states.get(port))).toEqual(["open pong", "no answer", "closed"]);
    // Twice, for a datagram may get lost; the second may still be on its way to us.
    expect([1, 2]).toContain(silent.received.length);
  });
});

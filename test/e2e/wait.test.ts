import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { authority, issue } from "../helpers/certificates.ts";
import { udpPeer } from "../helpers/datagrams.ts";
import { fullListener } from "../helpers/full-listener.ts";
import { httpServer, rawServer } from "../helpers/http-servers.ts";
import { fileInput, unread } from "../helpers/input.ts";
import {
  hostsCanBeReplaced,
  inOwnNetwork,
  networkCanBeSilent,
  portcatWithHosts,
  portcatWithHostsFile,
  portcatWithPorts,
  portcatWithSilentResolver,
} from "../helpers/namespace.ts";
import { hasIPv6 } from "../helpers/peers.ts";
import { httpProxy, scriptedProxy } from "../helpers/proxies.ts";
import { hasTerminals, onTerminal } from "../helpers/pseudo-terminal.ts";
import { freePort, startServer } from "../helpers/sockets.ts";
import { bin, portcat, Running, type StartOptions, temporaryFolder } from "../helpers/tool.ts";
import type { Event } from "../../src/events.ts";

const wait = (args: readonly string[], options?: StartOptions) =>
  portcat(["wait", ...args], options);

interface Result {
  done: boolean;
  targets: { target: string; state: string; answer: string; code: string | null }[];
}

/** With --json: the exit code, what is on stdout, and the events. */
async function outcome(...args: string[]) {
  const { code, stdout, stderr } = await wait(["--json", ...args]).ended;
  const events = stderr
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Event);
  return { code, result: JSON.parse(stdout.toString()) as Result, events };
}

const place = (port: number) => `127.0.0.1:${String(port)}`;

/** A server that begins to listen on this port now, and what it does with its clients. */
async function listenNow(port: number, serve: (socket: Socket) => void = () => undefined) {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    serve(socket);
  });
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return server;
}

describe("wait", () => {
  test("is done as soon as a port that refuses accepts, and is exit code 0", async () => {
    const port = await freePort();
    const tool = wait([`tcp:${place(port)}`]);
    await tool.says(/connection refused \(ECONNREFUSED\)/);
    await listenNow(port);
    const { code, stdout, stderr } = await tool.ended;
    expect([code, stdout.toString()]).toEqual([0, ""]);
    const ready = stderr.trim().split("\n").at(-1);
    expect(ready).toMatch(
      /^portcat: tcp:127.* is ready after [\d.]+ s, \d+ attempts: 127.* accepts/,
    );
  });

  test("gives up at its deadline, with what was answered last, and is exit code 5 (rows 20, 21, 33)", async () => {
    const silent = await fullListener();
    const refusing = await freePort();
    const tool = wait([place(silent), place(refusing), "--timeout", "1.2s", "-w", "20s"]);
    const { code, stdout, stderr } = await tool.ended;
    expect([code, stdout.toString()]).toEqual([5, ""]);
    const last = stderr.split("\n").at(-2) ?? "";
    expect(last).toMatch(/^portcat: 2 of 2 were not ready within 1\.2 s: /);
    expect(last).toMatch(/connect to 127.0.0.1:\d+: no answer within 1\.\d{1,3} s/);
    expect(last).toContain(`; ${place(refusing)}: connection refused (ECONNREFUSED)`);
  });

  test("has a deadline where none is given, and takes parts of seconds (rows 20 to 22)", async () => {
    const help = (await wait(["--help"]).ended).stdout.toString();
    expect(help).toMatch(/--timeout <time> .*\(default:\s+30s\)/s);
    const { code, stderr } = await wait([place(await freePort()), "--timeout", ".25"]).ended;
    expect(code).toBe(5);
    expect(stderr).toContain("was not ready within 0.25 s");
  });

  test("tells each change of the answer once, and each attempt with -v (row 26)", async () => {
    const { server, asked, origin } = await httpServer((_, response) => {
      response.statusCode = asked.length < 4 ? 503 : asked.length < 8 ? 404 : 200;
      response.end();
    });
    const { code, stderr } = await wait([`${origin}/health`]).ended;
    expect(code).toBe(0);
    const lines = stderr.trim().split("\n");
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/\/health: status 503 Service Unavailable, 1 attempt in /);
    expect(lines[1]).toMatch(/\/health: status 404 Not Found, 4 attempts in /);
    expect(lines[2]).toMatch(/\/health is ready after .* s, 8 attempts: status 200 OK$/);
    server.closeAllConnections();
    asked.length = 0;
    const verbose = await wait([`${origin}/health`, "-v"]).ended;
    expect(verbose.stderr.trim().split("\n")).toHaveLength(8);
    expect((await wait([`${origin}/health`, "-q"]).ended).stderr).toBe("");
  });

  test("asks less and less often, and leaves each time with a FIN (row 26)", async () => {
    const outcomes: string[] = [];
    const server = await listenNow(0, (socket) => {
      socket.write("220 mail.example ESMTP\r\n");
      socket.on("end", () => outcomes.push("end"));
      socket.on("error", (error: NodeJS.ErrnoException) => outcomes.push(error.code ?? ""));
      socket.resume();
    });
    const { port } = server.address() as { port: number };
    const { code } = await wait([
      place(port),
      "--expect",
      "nothing of the kind",
      "-w",
      "100ms",
      "--timeout",
      "2s",
    ]).ended;
    expect(code).toBe(11);
    expect(new Set(outcomes)).toEqual(new Set(["end"]));
    // Pauses of 25, 50, 100, 200 ms, and then 250 ms each.
    expect(outcomes.length).toBeGreaterThan(2);
    expect(outcomes.length).toBeLessThan(14);
  });

  test("never reads stdin, and writes nothing to stdout but the result of --json (rows 12, 27)", async () => {
    const { port } = await startServer();
    const stdin = fileInput("the loop's own input");
    const { code, stdout } = await wait([place(port)], { stdin: stdin.descriptor }).ended;
    expect([code, stdout.toString(), unread(stdin)]).toEqual([0, "", "the loop's own input"]);
    const { result } = await outcome(place(port));
    expect(result).toMatchObject({
      done: true,
      targets: [{ target: place(port), state: "ready", code: null, attempts: 1 }],
    });
  });

  test("with --json tells of each target what it answered last", async () => {
    const [open, closed] = [(await startServer()).port, await freePort()];
    const { code, result, events } = await outcome(
      place(open),
      place(closed),
      "--timeout",
      "300ms",
    );
    expect(code).toBe(5);
    expect(result).toMatchObject({
      done: false,
      targets: [
        { target: place(open), state: "ready", answer: `${place(open)} accepts connections` },
        { target: place(closed), state: "waiting", code: "ECONNREFUSED", duration: null },
      ],
    });
    const told = events.filter(({ event }) => event === "target");
    expect(told).toHaveLength(2);
    expect(events.at(-1)).toMatchObject({ event: "error", code: "ETIMEDOUT", exitCode: 5 });
  });

  test("with --any is done with the first, and at once", async () => {
    const [silent, open] = [await fullListener(), (await startServer()).port];
    const peer = await udpPeer();
    const targets = [place(silent), `udp:${place(peer.port)}`, `${place(open)}`];
    const { code, result } = await outcome(...targets, "--any", "-w", "20s", "--timeout", "20s");
    expect(code).toBe(0);
    expect(result.targets.map(({ state }) => state)).toEqual(["waiting", "waiting", "ready"]);
    const none = await outcome(
      place(await freePort()),
      "nowhere.invalid:1",
      "--any",
      "--timeout",
      "200ms",
    );
    expect(none.code).toBe(5);
    expect(none.events.at(-1)).toMatchObject({
      message: expect.stringMatching(/^none of 2 was ready/) as string,
    });
  });

  test("with --down waits until they are gone", async () => {
    const { server, port } = await startServer();
    const tool = wait([place(port), "--down"]);
    await tool.says(/accepts connections, 1 attempt/);
    server.close();
    const { code, stderr } = await tool.ended;
    expect(code).toBe(0);
    expect(stderr).toMatch(/ is gone after .*connection refused \(ECONNREFUSED\)\n$/);
    const path = join(temporaryFolder(), "file");
    writeFileSync(path, "");
    const there = await wait([`file:${path}`, "--down", "--timeout", "100ms"]).ended;
    expect(there.code).toBe(5);
    expect((await wait([`file:${path}s`, "--down", "nowhere.invalid:80"]).ended).code).toBe(0);
  });

  test("with --stable wants so many successes in a row (row 24)", async () => {
    const statuses = [200, 200, 503, 200, 200, 200];
    const { asked, origin } = await httpServer((_, response) => {
      response.statusCode = statuses[asked.length - 1] ?? 500;
      response.end();
    });
    expect((await wait([origin, "--stable", "3"]).ended).code).toBe(0);
    expect(asked).toHaveLength(6);
    const { port } = await startServer();
    const short = await wait([place(port), "--stable", "1000", "--timeout", "200ms"]).ended;
    expect(short.code).toBe(5);
    expect(short.stderr).toMatch(/accepts connections, \d of 1000 times in a row\n$/);
  });

  test("ends with a signal at once", async () => {
    const targets = [place(await fullListener()), place(await freePort())];
    const tool = wait([...targets, "--timeout", "60s", "-w", "60s"]);
    await tool.says(/connection refused/);
    tool.child.kill("SIGINT");
    expect((await tool.ended).code).toBe(130);
  });
});

describe("wait for a port that is open and not ready (row 24)", () => {
  test("goes on until a service says what --expect wants, and is exit code 11 if it never does", async () => {
    let clients = 0;
    const server = await listenNow(0, (socket) => {
      socket.end(++clients < 3 ? "starting" : "220 ready");
    });
    const { port } = server.address() as { port: number };
    const { code, stderr } = await wait([place(port), "--expect", "/^220 READY$/i"]).ended;
    expect(code).toBe(0);
    expect(stderr).toContain('has left after saying "starting"');
    const never = await wait([place(port), "--expect", "nope", "--timeout", "200ms"]).ended;
    expect(never.code).toBe(11);
    expect(never.stderr).toMatch(/has left after saying "220 ready"\n$/);
  });

  test("is not held up by a pattern that takes for ever", async () => {
    const server = await listenNow(0, (socket) => socket.write(`${"a".repeat(60)}!`));
    const { port } = server.address() as { port: number };
    const { code } = await wait([place(port), "--expect", "/^(a+)+$/", "--timeout", "1s"]).ended;
    expect(code).toBe(11);
  });

  test("asks with --send before it expects, and each target may have its own", async () => {
    const said: string[] = [];
    const server = await listenNow(0, (socket) => {
      socket.on("data", (bytes: Buffer) => {
        said.push(bytes.toString("latin1"));
        if (bytes.toString() === "PING\r\n") socket.write("+PONG\r\n");
      });
    });
    const { port } = server.address() as { port: number };
    const target = `tcp:${place(port)}`;
    expect((await wait([target, "--send", "PING\\r\\n", "--expect", "+PONG"]).ended).code).toBe(0);
    const query = `${target}?send=PING%5Cr%5Cn&expect=+PONG`;
    expect((await wait([query]).ended).code).toBe(0);
    await wait([
      target,
      "--send",
      "\\x00\\xff\\t\\\\",
      "--expect",
      "x",
      "-w",
      "100ms",
      "--timeout",
      "100ms",
    ]).ended;
    expect(said).toEqual(["PING\r\n", "PING\r\n", "\x00\xff\t\\"]);
  });

  test("says that a service which keeps silent has said nothing, and is exit code 5", async () => {
    const { port } = await startServer();
    const { code, stderr } = await wait([place(port), "--expect", "x", "--timeout", "1.1s"]).ended;
    expect(code).toBe(5);
    expect(stderr).toMatch(
      /was not ready within 1.1 s: 127.0.0.1:\d+ has said nothing within 1.\d+ s\n$/,
    );
  });

  test("wants an HTTP status, and with --expect a body", async () => {
    const { asked, origin } = await httpServer((request, response) => {
      response.statusCode = request.url === "/gone" ? 410 : 200;
      response.end(asked.length < 4 ? "warming up" : '{"status": "ok"}');
    });
    const url = `${origin}/health?deep=1`;
    expect((await wait([url, "--expect", '/"status": *"ok"/']).ended).code).toBe(0);
    expect(asked).toHaveLength(4);
    // Not HEAD, to which many development servers have no answer (row 29).
    expect(asked[0]).toMatchObject({ method: "GET", url: "/health?deep=1" });
    expect(asked[0]?.headers).toMatchObject({ host: new URL(origin).host, accept: "*/*" });
    const gone = [`${origin}/gone`, "--timeout", "200ms"];
    const refused = await wait(gone).ended;
    expect(refused.code).toBe(11);
    expect(refused.stderr).toMatch(/was not ready within 0.2 s: status 410 Gone\n$/);
    expect((await wait([...gone, "--expect-status", "200,400-410"]).ended).code).toBe(0);
    const other = await wait([origin, "--expect", "nope", "--timeout", "200ms"]).ended;
    expect(other.code).toBe(11);
    expect(other.stderr).toContain("status 200 OK, without what was expected");
  });

  test("reads an HTTP answer to its end before it leaves", async () => {
    const ends: string[] = [];
    const server = createHttpServer((_, response) => {
      response.on("close", () => ends.push(response.writableFinished ? "whole" : "broken"));
      response.end(Buffer.alloc(3_000_000));
    });
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    for (const flags of [[], ["--expect-status", "404"]])
      await wait([`http://${place(port)}`, ...flags, "--timeout", "300ms"]).ended;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(new Set(ends)).toEqual(new Set(["whole"]));
  });

  test("takes any status that is asked for, that of another protocol too", async () => {
    const { url } = await rawServer(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
      "stay",
    );
    expect((await wait([url, "--expect-status", "101"]).ended).code).toBe(0);
  });

  test("of what is no HTTP says so, and of what never ends does not wait for the end", async () => {
    const garbage = await rawServer("SSH-2.0-OpenSSH\r\n");
    const { code, stderr } = await wait([garbage.url, "--timeout", "200ms"]).ended;
    expect(code).toBe(11);
    expect(stderr).toContain("no answer in HTTP");
    const endless = await rawServer(
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ready\n\n",
      "stay",
    );
    expect((await wait([endless.url, "--expect", "ready"]).ended).code).toBe(0);
    expect((await wait([endless.url]).ended).code).toBe(0);
  });

  test("sends the credentials of a URL, and shows them nowhere", async () => {
    const { asked, origin } = await httpServer((_, response) => void response.end());
    const { code, stderr } = await wait([origin.replace("//", "//me:secret@")]).ended;
    expect([code, stderr.includes("secret")]).toEqual([0, false]);
    expect(asked[0]?.headers.authorization).toBe(`Basic ${btoa("me:secret")}`);
  });
});

describe("wait for names and addresses", () => {
  test.skipIf(!hasIPv6 || !hostsCanBeReplaced)(
    "finds what one of a name's addresses has, and says which (row 28)",
    async () => {
      const { port } = await startServer();
      const args = ["wait", `both.test:${String(port)}`, "--timeout", "5s"];
      const hosts = "::1 both.test\n127.0.0.1 both.test\n";
      const { code, stderr } = await portcatWithHosts(hosts, args).ended;
      expect([code, stderr.includes(`: ${place(port)} accepts connections`)]).toEqual([0, true]);
      const closed = ["wait", `both.test:${String(await freePort())}`, "--timeout", "200ms"];
      const refused = await portcatWithHosts(hosts, closed).ended;
      expect(refused.code).toBe(5);
      expect(refused.stderr).toMatch(
        /: cannot connect to \[::1\]:\d+ or 127.0.0.1:\d+ \(both.test\): connection refused \(ECONN/,
      );
    },
  );

  test.skipIf(!hostsCanBeReplaced)(
    "asks again for a name that is not there yet (row 30)",
    async () => {
      const { port } = await startServer();
      const path = join(temporaryFolder(), "hosts");
      writeFileSync(path, "127.0.0.1 localhost\n");
      const tool = portcatWithHostsFile(path, ["wait", `late.invalid:${String(port)}`]);
      await tool.says(/cannot resolve late.invalid/);
      writeFileSync(path, "127.0.0.1 localhost late.invalid\n");
      expect((await tool.ended).code).toBe(0);
    },
  );

  test("of a name that never resolves is exit code 3, but not where another target was late (row 30)", async () => {
    const args = ["nowhere.invalid:80", "--timeout", "300ms"];
    const { code, stderr } = await wait(args).ended;
    expect(code).toBe(3);
    expect(stderr).toMatch(/was not ready within 0.3 s: cannot resolve nowhere.invalid:80/);
    expect((await wait([...args, place(await freePort())]).ended).code).toBe(5);
  });

  test.skipIf(!networkCanBeSilent)("is not held up by names that are slow to look up", async () => {
    const { stderr, code } = await portcatWithSilentResolver(2, [
      ...[
        "wait",
        "a.test:80",
        "b.test:80",
        "c.test:80",
        "localhost:1",
        "--timeout",
        "1s",
        "--json",
      ],
    ]).ended;
    // Other limits are Node 20's, which cannot leave a look-up behind.
    expect(code).toBe(5);
    expect(stderr).toMatch(/"target":"localhost:1","state":"waiting","answer":"[^"]*refused/);
  });

  test("of many targets says nothing but what they answer", async () => {
    const port = String(await freePort());
    const { stderr } = await wait([...Array<string>(30).fill(port), "-q", "--timeout", "100ms"])
      .ended;
    expect(stderr).toMatch(/^portcat: 30 of 30 were not ready .*\n$/);
  });

  test.skipIf(!networkCanBeSilent)("does not take itself for the service", async () => {
    // Every connection comes from one of the ports that are asked, and may reach itself.
    const targets = ["127.0.0.1:50000", "127.0.0.1:50001"];
    const tool = portcatWithPorts(
      [50_000, 50_001],
      ["wait", ...targets, "--any", "--timeout", "3s"],
    );
    const { code, stderr } = await tool.ended;
    expect(code).toBe(5);
    expect(stderr).toMatch(/none of 2 was ready/);
    const udp = ["wait", "udp:127.0.0.1:50000", "udp:127.0.0.1:50001", "--any", "--timeout", "1s"];
    expect((await portcatWithPorts([50_000, 50_001], udp).ended).code).toBe(5);
  });
});

describe("wait for UDP (row 23)", () => {
  test("is ready at a reply, and never without one", async () => {
    const echo = await udpPeer();
    echo.socket.on("message", (bytes, { port }) => {
      echo.socket.send(`re: ${bytes.toString()}`, port, "127.0.0.1");
    });
    const silent = await udpPeer();
    const closed = await udpPeer();
    await closed.close();
    const target = `udp:${place(echo.port)}`;
    expect((await wait([target]).ended).code).toBe(0);
    expect((await wait([target, "--send", "ping", "--expect", "re: ping"]).ended).code).toBe(0);
    const long = ["--send", "x".repeat(2000), "--expect", "/x{2000}$/"];
    expect((await wait([target, ...long]).ended).code).toBe(0);
    const other = await wait([target, "--expect", "x", "--timeout", "400ms"]).ended;
    expect([other.code, other.stderr.includes('answers "re: "')]).toEqual([11, true]);
    const args = ["-w", "200ms", "--timeout", "400ms"];
    const quiet = await wait([`udp:${place(silent.port)}`, ...args]).ended;
    expect(quiet.code).toBe(5);
    expect(quiet.stderr).toMatch(/127.0.0.1:\d+ does not answer within 0.\d+ s\n$/);
    const refused = await wait([`udp:${place(closed.port)}`, ...args]).ended;
    expect(refused.code).toBe(5);
    expect(refused.stderr).toMatch(/connection refused \(ECONNREFUSED\)\n$/);
    expect((await wait([`udp:${place(closed.port)}`, "--down"]).ended).code).toBe(0);
    expect((await wait([`udp:${place(silent.port)}`, "--down", ...args]).ended).code).toBe(5);
  });
});

describe("wait for TLS", () => {
  test("verifies who is there: a wrong name or an unknown authority is exit code 9", async () => {
    const by = await authority();
    const server = await httpServer((_, response) => void response.end("fine"), {
      tls: await issue({ by, name: "db.example", names: ["db.example"] }),
    });
    const at = server.origin.replace("https://", "");
    const soon = ["--timeout", "300ms"];
    for (const target of [`tls:${at}`, server.origin]) {
      const wrong = await wait([target, "--ca", by.certFile, ...soon]).ended;
      expect(wrong.code).toBe(9);
      expect(wrong.stderr).toMatch(/was not ready within 0.3 s: .*db\.example/);
      const unknown = await wait([target, "--servername", "db.example", ...soon]).ended;
      expect(unknown.code).toBe(9);
      const right = ["--ca", by.certFile, "--servername", "db.example"];
      expect((await wait([target, ...right]).ended).code).toBe(0);
      expect((await wait([target, "--insecure"]).ended).code).toBe(0);
    }
    const strict = `tls:${at}?ca=${encodeURIComponent((await authority()).certFile)}`;
    expect((await wait([strict, "--insecure", ...soon]).ended).code).toBe(9);
    const own = `tls:${at}?servername=db.example&ca=${encodeURIComponent(by.certFile)}`;
    expect((await wait([own]).ended).code).toBe(0);
  });

  test("of a port without TLS is exit code 9, and is there for --down", async () => {
    const server = await listenNow(0, (socket) => socket.end("220 no TLS here\r\n"));
    const { port } = server.address() as { port: number };
    const tls = `tls:${place(port)}`;
    expect((await wait([tls, "--timeout", "200ms"]).ended).code).toBe(9);
    expect((await wait([tls, "--down", "--timeout", "200ms"]).ended).code).toBe(5);
  });
});

describe.skipIf(!networkCanBeSilent)("wait where the network is silent", () => {
  test("for UDP without a way to the host is no defect, and is exit code 5", async () => {
    const tool = portcatWithSilentResolver(1, [
      "wait",
      "udp:198.51.100.1:53",
      "--timeout",
      "200ms",
    ]);
    const { code, stderr } = await tool.ended;
    expect(code).toBe(5);
    expect(stderr).toMatch(/cannot reach 198.51.100.1:53: network unreachable \(ENETUNREACH\)\n$/);
  });

  test("for UDP finds the address that it can reach where IPv6 is off", async () => {
    const path = join(temporaryFolder(), "hosts");
    writeFileSync(path, "::1 both.test\n127.0.0.1 both.test\n");
    const script = `echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
      mount --bind "$HOSTS" /etc/hosts
      "$@" udp bind 127.0.0.1 5353 --count 1 -q >/dev/null <answer &
      until grep -q ":14E9 " /proc/net/udp; do sleep 0.01; done
      exec "$@" wait udp:both.test:5353 --expect pong --timeout 5s`;
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, "answer"), "pong");
    const { code } = await inOwnNetwork(script, { env: { HOSTS: path }, cwd }).ended;
    expect(code).toBe(0);
  });

  test("with --down takes no attempt that the deadline has cut short for a success", async () => {
    // The name server keeps silent, which says nothing of the service.
    for (const target of ["db.test:5432", "udp:db.test:5432"])
      for (const patience of ["300ms", "50ms"]) {
        const args = ["wait", target, "--down", "-w", patience, "--timeout", "200ms"];
        const { code, stderr } = await portcatWithSilentResolver(1, args).ended;
        expect([code, stderr.includes("is gone")]).toEqual([5, false]);
      }
  });
});

describe.skipIf(process.platform === "win32")("wait for UNIX sockets and files", () => {
  test("waits for a socket to be there, and for what is asked of it over HTTP", async () => {
    const path = join(temporaryFolder(), "socket");
    const tool = wait([`unix:${path}`, `http+unix:${path}:/health`]);
    await tool.says(/unix:.* no such file or directory \(ENOENT\)/);
    const { asked } = await httpServer((_, response) => void response.end(), { path });
    expect((await tool.ended).code).toBe(0);
    expect(asked[0]).toMatchObject({ url: "/health", headers: { host: "localhost" } });
  });

  test("waits for a file, for it to rest with --stable, and for text in it", async () => {
    const path = join(temporaryFolder(), "log");
    const tool = wait([`file:${path}`, "--expect", "/listening on \\d+/"]);
    await tool.says(/no such file or directory \(ENOENT\)/);
    writeFileSync(path, "starting\n");
    await tool.says(/with 9 bytes, without what was expected/);
    writeFileSync(path, "starting\nlistening on 80\n");
    expect((await tool.ended).code).toBe(0);
    let size = 0;
    const growing = setInterval(() => writeFileSync(path, "x".repeat(++size)), 5);
    const changing = await wait([`file:${path}`, "--stable", "2", "--timeout", "400ms"]).ended;
    clearInterval(growing);
    // The last look may be the first of two that are alike.
    expect([5, 11]).toContain(changing.code);
    expect(changing.stderr).toMatch(/with \d+ bytes, and changes(,|\n)/);
    expect((await wait([`file:${path}`, "--stable", "2"]).ended).code).toBe(0);
  });
});

describe("wait --proxy", () => {
  test("goes through it, tells its own failure with code 10, and a target that is not up with 5", async () => {
    const proxy = `http://${place(await httpProxy())}`;
    const [open, closed] = [(await startServer()).port, await freePort()];
    expect((await wait([place(open), "--proxy", proxy]).ended).code).toBe(0);
    const soon = ["--timeout", "300ms"];
    const unable = await scriptedProxy("http", (socket) => {
      socket.end("HTTP/1.1 503 Service Unavailable\r\n\r\n");
    });
    const through = ["--proxy", `http://${place(unable.port)}`, ...soon];
    const late = await wait([place(closed), ...through]).ended;
    expect([late.code, late.stderr.includes("503")]).toEqual([5, true]);
    expect((await wait([place(closed), ...through, "--down"]).ended).code).toBe(0);
    const web = `http://${place(closed)}/`;
    expect((await wait([web, ...through, "--down"]).ended).code).toBe(0);
    const locked = await scriptedProxy("http", (socket) => {
      socket.end("HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
    });
    const refused = await wait([web, "--proxy", `http://${place(locked.port)}`, ...soon]).ended;
    expect([refused.code, refused.stderr.includes("EPROXYAUTH")]).toEqual([10, true]);
    const nowhere = `http://${place(closed)}`;
    expect((await wait([place(open), "--proxy", nowhere, ...soon]).ended).code).toBe(10);
    expect((await wait([place(open), "--proxy", nowhere, "--down", ...soon]).ended).code).toBe(5);
  });
});

describe("wait -- command", () => {
  const open = async () => place((await startServer()).port);

  test("runs it once all is ready, with our stdin and stdout, and its exit code is ours", async () => {
    const script = "cat; echo to stderr >&2; exit 7";
    const tool = wait([await open(), "--timeout", "5s", "--", "sh", "-c", script, "--timeout"]);
    tool.stdin.end("from stdin");
    const { code, stdout, stderr } = await tool.ended;
    expect([code, stdout.toString()]).toEqual([7, "from stdin"]);
    expect(stderr).toMatch(/is ready after .*\nto stderr\n$/);
    expect((await wait([await open(), "-q", "--", "true"]).ended).stderr).toBe("");
    const dashes = await wait([await open(), "-q", "--", "echo", "a", "--", "b"]).ended;
    expect(dashes.stdout.toString()).toBe("a -- b\n");
    const sent = await wait([await open(), "-q", "--send", "--", "--", "echo", "a"]).ended;
    expect(sent.stdout.toString()).toBe("a\n");
  });

  test("does not run it where they are not ready", async () => {
    const late = [place(await freePort()), "--timeout", "100ms", "--", "echo", "run"];
    const { code, stdout } = await wait(late).ended;
    expect([code, stdout.toString()]).toEqual([5, ""]);
  });

  test("leaves stdout to it with --json, too", async () => {
    const { code, stdout, stderr } = await wait(["--json", await open(), "--", "echo", "run"])
      .ended;
    expect([code, stdout.toString()]).toEqual([0, "run\n"]);
    expect(JSON.parse(stderr)).toMatchObject({ event: "target", state: "ready" });
  });

  test("is exit code 127 where there is no such command, and 126 where it cannot be run", async () => {
    const missing = await wait([await open(), "-q", "--", "no-such-command"]).ended;
    expect(missing.code).toBe(127);
    expect(missing.stderr).toMatch(/^portcat: cannot run no-such-command: .*ENOENT\)\n$/);
    const file = join(temporaryFolder(), "file");
    writeFileSync(file, "");
    expect((await wait([await open(), "--", file]).ended).code).toBe(126);
    expect((await wait([await open(), "--", `${file}/x`]).ended).code).toBe(127);
  });

  test.each(["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const)(
    "hands %s on to it, and ends with what it makes of it",
    async (name) => {
      const script = `trap 'echo got; exit 3' ${name.slice(3)}; echo ready; while :; do sleep 0.01; done`;
      const tool = wait([await open(), "--", "sh", "-c", script]);
      await tool.outputs("ready");
      tool.child.kill(name);
      const { code, stdout } = await tool.ended;
      expect([code, stdout.toString()]).toEqual([3, "ready\ngot\n"]);
    },
  );

  test("ends as it does when a signal ends it", async () => {
    const { code } = await wait([await open(), "--", "sh", "-c", "kill -KILL $$"]).ended;
    expect(code).toBe(137);
  });

  test.skipIf(!hasTerminals)("does not hand ^C on, which the terminal has sent it", async () => {
    const script = "trap 'echo got' INT; echo ready; read line; echo $line";
    const tool = onTerminal(["wait", await open(), "-q", "--", "sh", "-c", script]);
    await tool.outputs("ready");
    tool.stdin.write("\x03");
    await tool.outputs("got");
    tool.stdin.write("done\n");
    const { stdout } = await tool.ended;
    expect(stdout.toString().match(/got/g)).toHaveLength(1);
  });
});

describe("wait on a terminal", () => {
  test.skipIf(!hasTerminals)("has a line for each target, which changes in place", async () => {
    const [open, closed] = [(await startServer()).port, await freePort()];
    const args = ["wait", place(open), place(closed), "--timeout", "900ms"];
    const shown = (await onTerminal(args, "", "xterm").ended).stdout.toString();
    const rows = shown.split("\x1b[2A\x1b[J");
    // Two lines, drawn again at each attempt.
    expect(rows.length).toBeGreaterThan(3);
    expect(rows.at(-2)).toMatch(
      /^portcat: 127.* is ready after .*\r\nportcat: 127.*refused.*\r\n$/,
    );
    const last = rows.at(-1) ?? "";
    expect(last).toMatch(
      /^portcat: 127.* is ready after .*\r\nportcat: 127.*refused.*\r\nportcat: 1 of 2 were not ready/,
    );
    for (const row of last.split("\r\n").slice(0, 2)) expect(row.length).toBeLessThan(80);
  });
});

test("runs where nothing is installed but Node and its one file (row 25)", async () => {
  const folder = temporaryFolder();
  for (const path of ["bin/portcat.js", "dist/portcat.js", "package.json"]) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    copyFileSync(join(dirname(bin), "..", path), join(folder, path));
  }
  const { port } = await startServer();
  const { origin } = await httpServer((_, response) => void response.end());
  const args = [join(folder, "bin/portcat.js"), "wait", place(port), origin];
  expect((await new Running(process.execPath, args).ended).code).toBe(0);
});

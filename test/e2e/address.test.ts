import { existsSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { udpPeer } from "../helpers/datagrams.ts";
import { startServer } from "../helpers/sockets.ts";
import { bin, portcat, Running, temporaryFolder, Tool } from "../helpers/tool.ts";

const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === "::1"),
);
const quiet = { stdin: "null" } as const;

/** Runs `portcat address`, which has to succeed without a word on stderr, and gives its lines. */
async function addresses(...args: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await portcat(["address", ...args], quiet).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const text = stdout.toString();
  expect(text.endsWith("\n")).toBe(true);
  return text.slice(0, -1).split("\n");
}

/** Runs it in the hope of a failure, and gives the exit code and the one error event. */
async function failure(...args: string[]) {
  const tool = new Tool(["address", ...args], quiet);
  const { code, stdout } = await tool.ended;
  expect(stdout.toString()).toBe("");
  expect(tool.events()).toMatchObject([{ event: "error", exitCode: code }]);
  return { exitCode: code, ...tool.all("error")[0] };
}

describe("portcat address prints", () => {
  const check = async (args: string[], pattern: RegExp) => {
    for (const transport of [[], ["--udp"]]) {
      const [line = "", ...more] = await addresses(...args, ...transport);
      expect(line).toMatch(pattern);
      expect(Number(pattern.exec(line)?.[1])).toBeLessThan(65536);
      expect(more).toEqual([]);
    }
  };

  test.each<[string[], RegExp]>([
    [[], /^127\.0\.0\.1:([1-9]\d*)$/],
    [["0"], /^127\.0\.0\.1:([1-9]\d*)$/],
    [[":0"], /^127\.0\.0\.1:([1-9]\d*)$/],
    [["127.0.0.1"], /^127\.0\.0\.1:([1-9]\d*)$/],
    [["127.0.0.1", "0"], /^127\.0\.0\.1:([1-9]\d*)$/],
    [["127.0.0.1:0"], /^127\.0\.0\.1:([1-9]\d*)$/],
    [["0.0.0.0"], /^0\.0\.0\.0:([1-9]\d*)$/],
    [["-4"], /^127\.0\.0\.1:([1-9]\d*)$/],
    [["-4", "localhost"], /^127\.0\.0\.1:([1-9]\d*)$/],
    [["-4", "localhost:0"], /^127\.0\.0\.1:([1-9]\d*)$/],
    [["--port"], /^([1-9]\d*)$/],
  ])("for %s one line such as %s, for TCP and for UDP", check);

  test.skipIf(!hasIpv6).each<[string[], RegExp]>([
    [["-6"], /^\[::1\]:([1-9]\d*)$/],
    [["::1"], /^\[::1\]:([1-9]\d*)$/],
    [["[::1]"], /^\[::1\]:([1-9]\d*)$/],
    [["[::1]:0"], /^\[::1\]:([1-9]\d*)$/],
    [["::"], /^\[::\]:([1-9]\d*)$/],
    [["-6", "--port"], /^([1-9]\d*)$/],
  ])("for %s one line such as %s, for TCP and for UDP", check);

  test.each([[[]], [["--udp"]]])(
    "with --json exactly the object of the system (%s)",
    async (args) => {
      const [line = "", ...more] = await addresses("--json", ...args);
      const { port } = JSON.parse(line) as { port: number };
      expect(line).toBe(`{"address":"127.0.0.1","family":"IPv4","port":${String(port)}}`);
      expect(port).toBeGreaterThan(0);
      expect(more).toEqual([]);
    },
  );

  test.skipIf(!hasIpv6)("with --json the object of an IPv6 address", async () => {
    const [line = ""] = await addresses("--json", "-6");
    expect(line).toMatch(/^\{"address":"::1","family":"IPv6","port":[1-9]\d*\}$/);
  });

  test("with --json before the command the same", async () => {
    const { code, stdout, stderr } = await portcat(["--json", "address"], quiet).ended;
    expect([code, stderr]).toEqual([0, ""]);
    expect(Object.keys(JSON.parse(stdout.toString()) as object)).toEqual([
      "address",
      "family",
      "port",
    ]);
  });

  test.each<[string, string[]]>([
    ["2", []],
    ["500", []],
    ["500", ["--udp"]],
    ["50", ["--port"]],
    ["50", ["--json"]],
  ])("%s different ones for --count, with %s", async (count, args) => {
    const lines = await addresses("--count", count, ...args);
    expect(lines).toHaveLength(Number(count));
    expect(new Set(lines).size).toBe(Number(count));
  });

  test("no port for all interfaces that one of them has taken (row 32)", async () => {
    const { port } = await startServer();
    const taken = await failure("0.0.0.0", String(port));
    expect(taken).toMatchObject({ exitCode: 7, code: "EADDRINUSE" });
  });

  test("a port that is given, if it is free, and for UDP also where TCP has it", async () => {
    const { port } = await startServer();
    const place = `127.0.0.1:${String(port)}`;
    expect(await addresses("--udp", place)).toEqual([place]);
    const [free = ""] = await addresses();
    expect(await addresses(free)).toEqual([free]);
    expect(await addresses("--json", ...free.split(":"))).toMatchObject([
      `{"address":"127.0.0.1","family":"IPv4","port":${free.split(":")[1] ?? ""}}`,
    ]);
  });

  test("an address that can be bound at once afterwards", async () => {
    const port = Number((await addresses("--port"))[0]);
    const server = createServer();
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ port, host: "127.0.0.1" }, resolve);
    });
    expect(server.address()).toMatchObject({ port });
  });

  test("nothing but the number into $(…) of a shell", async () => {
    const command = `PORT=$("$NODE" "$BIN" address --port); echo "<$PORT>"`;
    const env = { NODE: process.execPath, BIN: bin };
    const { code, stdout } = await new Running("sh", ["-c", command], { ...quiet, env }).ended;
    expect([code, stdout.toString()]).toEqual([0, expect.stringMatching(/^<[1-9]\d*>\n$/)]);
  });
});

describe("portcat address --unix", () => {
  test("prints the path, and leaves no file behind", async () => {
    const path = join(temporaryFolder(), "socket");
    expect(await addresses("--unix", path)).toEqual([path]);
    expect(existsSync(path)).toBe(false);
  });

  test("with --json is one line of JSON that has the path", async () => {
    const path = join(temporaryFolder(), 'so"ck et');
    const [line = "", ...more] = await addresses("--unix", path, "--json");
    expect(JSON.stringify(JSON.parse(line))).toContain(JSON.stringify(path));
    expect(more).toEqual([]);
  });

  test("replaces a socket file that nobody listens on", async () => {
    const path = join(temporaryFolder(), "socket");
    const dead = new Tool(["unix", "listen", path]);
    await dead.event("listening");
    dead.child.kill("SIGKILL");
    await dead.ended;
    expect(statSync(path).isSocket()).toBe(true);
    expect(await addresses("--unix", path)).toEqual([path]);
    expect(existsSync(path)).toBe(false);
  });

  test("refuses one that somebody listens on with code 7, and leaves it alone", async () => {
    const path = join(temporaryFolder(), "socket");
    await startServer(path);
    expect(await failure("--unix", path)).toMatchObject({ exitCode: 7, code: "EADDRINUSE" });
    expect(statSync(path).isSocket()).toBe(true);
  });

  test("refuses a file that is no socket with code 7, and leaves it alone", async () => {
    const path = join(temporaryFolder(), "precious");
    writeFileSync(path, "content");
    expect(await failure("--unix", path)).toMatchObject({ exitCode: 7 });
    expect(readFileSync(path, "utf8")).toBe("content");
  });

  test("in a folder that is not there is code 7", async () => {
    const path = join(temporaryFolder(), "missing", "socket");
    expect((await failure("--unix", path)).exitCode).toBe(7);
  });
});

describe("portcat address --hold", () => {
  test("keeps what it printed bound until its time is over, and ends with code 0", async () => {
    const holder = portcat(["address", "--hold", "1s", "--port"], quiet);
    await holder.outputs("\n");
    const port = holder.received().toString().trim();
    expect(await failure(port)).toMatchObject({ exitCode: 7, code: "EADDRINUSE" });
    expect(await holder.ended).toMatchObject({ code: 0, stderr: "" });
    expect(await addresses(port)).toEqual([`127.0.0.1:${port}`]);
  });

  test.each([[[]], [["--udp"]]])(
    "in two processes at once never shares (%s, row 31)",
    async (args) => {
      const holders = [1, 2].map(() =>
        portcat(["address", "--count", "200", "--hold", "30s", "--port", ...args], quiet),
      );
      const lines: string[] = [];
      for (const holder of holders) {
        const count = () => holder.received().toString().split("\n").length - 1;
        await holder.until(() => count() === 200);
        lines.push(...holder.received().toString().trim().split("\n"));
      }
      expect(new Set(lines).size).toBe(400);
    },
  );

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("ends at %s well before its time, with code %i", async (signal, exitCode) => {
    const path = join(temporaryFolder(), "socket");
    for (const args of [[], ["--udp"], ["--unix", path]]) {
      const tool = new Tool(["address", "--hold", "20s", ...args], quiet);
      await tool.outputs("\n");
      const begun = performance.now();
      tool.child.kill(signal);
      expect((await tool.ended).code).toBe(exitCode);
      expect(performance.now() - begun).toBeLessThan(10_000);
      expect(tool.events()).toMatchObject([{ event: "error", code: signal, exitCode }]);
    }
    expect(existsSync(path)).toBe(false);
  });

  test("of a UNIX socket keeps the file, and removes it afterwards", async () => {
    const path = join(temporaryFolder(), "socket");
    const holder = portcat(["address", "--unix", path, "--hold", "1s"], quiet);
    await holder.outputs(`${path}\n`);
    expect(statSync(path).isSocket()).toBe(true);
    expect(await failure("--unix", path)).toMatchObject({ exitCode: 7 });
    expect((await holder.ended).code).toBe(0);
    expect(existsSync(path)).toBe(false);
  });
});

describe("portcat address fails", () => {
  test("with code 7 for a port that is taken, for TCP and for UDP", async () => {
    const { port: tcp } = await startServer();
    const { port: udp } = await udpPeer();
    for (const [port, args] of [
      [tcp, []],
      [udp, ["--udp"]],
    ] as const) {
      const error = await failure("127.0.0.1", String(port), ...args);
      expect(error).toMatchObject({ exitCode: 7, code: "EADDRINUSE", port });
      expect(error.message).toContain(`127.0.0.1:${String(port)}`);
    }
  });

  test.each([[[]], [["--udp"]]])(
    "with code 7 for an address that is not ours (%s)",
    async (args) => {
      const error = await failure("192.0.2.200", ...args);
      expect(error).toMatchObject({ exitCode: 7, code: "EADDRNOTAVAIL" });
    },
  );

  test.skipIf(!existsSync("/dev/full"))("with code 1 when stdout is full", async () => {
    const stdout = openSync("/dev/full", "w");
    const tool = new Tool(["address"], { ...quiet, stdout });
    expect((await tool.ended).code).toBe(1);
    expect(tool.all("error")).toMatchObject([{ code: "ENOSPC", exitCode: 1 }]);
  });

  test("with code 141 when the reader of stdout has gone, and does not hold", async () => {
    const path = join(temporaryFolder(), "socket");
    const tool = new Tool(["address", "--unix", path, "--hold", "20s"], quiet);
    tool.output.destroy();
    expect((await tool.ended).code).toBe(141);
    expect(tool.all("error")).toMatchObject([{ code: "EPIPE", exitCode: 141 }]);
    expect(existsSync(path)).toBe(false);
  });

  test.each<[string, string[], RegExp]>([
    ["a port out of range", ["65536"], /0 to 65535/],
    ["a port that is far out", ["127.0.0.1", "99999"], /0 to 65535/],
    ["a negative port", ["-1"], /0 to 65535/],
    ["an empty host", ["", "0"], /host/],
    ["a half address", ["127.1", "0"], /four numbers/],
    ["three words", ["a", "1", "2"], /3 words|too many/],
    ["--count 0", ["--count", "0"], /1 to 65535/],
    ["--count 65536", ["--count", "65536"], /1 to 65535/],
    ["--count of a port", ["--count", "2", "127.0.0.1:9"], /--count/],
    ["--count of UNIX sockets", ["--count", "2", "--unix", "/tmp/x"], /--count/],
    ["--unix and --udp", ["--unix", "/tmp/x", "--udp"], /--udp.*--unix|--unix.*--udp/],
    ["--unix and --port", ["--unix", "/tmp/x", "--port"], /--port.*--unix|--unix.*--port/],
    ["--unix and a host", ["--unix", "/tmp/x", "localhost"], /--unix/],
    ["--unix and -4", ["--unix", "/tmp/x", "-4"], /-4.*--unix|--unix.*-4/],
    ["an empty path", ["--unix", ""], /empty/],
    ["a path that is too long", ["--unix", `/tmp/${"x".repeat(200)}`], /limit/],
    ["both families", ["-4", "-6"], /-4.*-6|-6.*-4/],
    ["a host of the other family", ["-6", "127.0.0.1"], /IPv4/],
    ["an unknown unit", ["--hold", "5y"], /250ms/],
    ["an unknown option", ["--hodl", "5"], /--hodl/],
  ])("with code 2 for %s", async (_, args, words) => {
    const error = await failure(...args);
    expect(error.exitCode).toBe(2);
    expect(error.message).toMatch(words);
  });

  test("with code 2 for --port together with --json", async () => {
    const error = await failure("--port");
    expect(error.exitCode).toBe(2);
    expect(error.message).toMatch(/--port.*--json|--json.*--port/);
  });
});

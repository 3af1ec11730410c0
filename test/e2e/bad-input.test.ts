import { spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { fileInput, unread } from "../helpers/input.ts";
import { watchOpened } from "../helpers/opened.ts";
import { connectPeer, freePort, startServer } from "../helpers/sockets.ts";
import { bin, portcat, Running, temporaryFolder, Tool } from "../helpers/tool.ts";

const words = (line: string) => line.split(" ");

/**
 * A usage error: exit code 2, nothing on stdout, one line on stderr that matches all of `says`, and
 * no trace: no socket, no look-up, no file made or removed, not a byte of stdin read.
 */
async function isMisuse(args: readonly string[], ...says: RegExp[]): Promise<void> {
  const stdin = fileInput("for somebody else");
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, "ready"), "left by an earlier run");
  const { env, opened } = watchOpened();
  const tool = portcat(args, { stdin: stdin.descriptor, cwd, env });
  const { code, stdout, stderr } = await tool.ended;
  for (const each of says) expect(stderr).toMatch(each);
  expect(stderr).toMatch(/^portcat: [^\n]+\n$/);
  expect({ code, stdout: stdout.toString() }).toEqual({ code: 2, stdout: "" });
  expect(opened()).toEqual([]);
  expect(readdirSync(cwd)).toEqual(["ready"]);
  expect(readFileSync(join(cwd, "ready"), "utf8")).toBe("left by an earlier run");
  expect(unread(stdin)).toBe("for somebody else");
}

describe("an HTTP request that cannot be sent is a usage error, exit code 2, and nothing is opened", () => {
  test.each<Misuse>([
    ["http request ftp://localhost/", /'ftp:\/\/localhost\/'/, /only http/],
    ["http request localhost:0", /'localhost:0'/, /expected http/],
    ["http request http://me:secret@localhost:x/", /^portcat: the URL is not valid/],
    ["http request localhost -X A:B", /--method/],
    ["http request localhost -H nonsense", /--header/],
    ["http request http://localhost --insecure", /--insecure cannot be used with an http/],
    ["http request localhost -w soon", /expected a time/],
    ["http request localhost --data - --nosuch", /--nosuch/],
    ["http request localhost --unix s --source 127.0.0.1", /--source cannot be used with --unix/],
  ])("%s", (line, ...says) => isMisuse(words(line), ...says));
});

test.each([
  ["tcp listen 127.0.0.1:0", "TCPSERVERWRAP"],
  ["udp bind 127.0.0.1:0", "UDPWRAP"],
  ["unix listen socket", "PIPESERVERWRAP"],
])("the proof that nothing is opened would see what %s opens", async (line, handle) => {
  const { env, opened } = watchOpened();
  const tool = portcat([...words(line), "--timeout", "200ms"], { env, cwd: temporaryFolder() });
  expect((await tool.ended).code).toBe(5);
  expect(opened()).toContain(handle);
});

/** A command line, and what its usage error says. */
type Misuse = [line: string, ...says: RegExp[]];

describe("a wait that cannot be is a usage error, exit code 2, and nothing is opened", () => {
  test.each<Misuse>([
    ["wait", /target/],
    ["wait -- true", /at least one target before --/],
    ["wait nosuch:x", /'nosuch:x'/, /expected tcp:/],
    ["wait constructor:db:1", /'constructor:db:1'/, /expected tcp:/],
    ["wait tcp:1?expect=a&expect=b", /expect is there twice/],
    ["wait tls:1?insecure&ca=x", /cannot be used together/],
    ["wait socket:/run/x", /expected tcp:, tls:, udp:, unix:/],
    ["wait tcp:localhost:0", /port '0'/, /1 to 65535/],
    ["wait ftp://localhost/", /expected tcp:/],
    ["wait http://me:secret@localhost:x/", /^portcat: the URL is not valid/],
    ["wait tcp:1?expect=", /expect: expected some text/],
    ["wait tcp:1?exspect=x", /only expect=, send=/],
    ["wait tcp:1?expect=%zz", /percent/],
    ["wait tls:1?pin=x", /pin: expected sha256:/],
    ["wait tcp:1 --expect /(/", /Unterminated group/],
    ["wait tcp:1 --send \\q", /expected \\r, \\n/],
    ["wait http://localhost --expect-status 2xx", /100 to 599/],
    ["wait tcp:1 --timeout 0", /longer than 0/],
    ["wait tcp:1 --timeout never", /expected a time/],
    ["wait tcp:1 --interval 0", /longer than 0/],
    ["wait tcp:1 --stable 0", /1 to 1000000/],
    ["wait tcp:1 --down --expect x", /'--down' cannot be used with option '--expect/],
    ["wait tcp:1?expect=x --down", /which cannot be used with --down/],
    ["wait tls:1 --down --insecure", /--insecure cannot be used with --down/],
    ["wait file:x --send x", /--send cannot be used with targets/],
    ["wait tcp:1 --expect-status 200", /it is for http/],
    ["wait tcp:1 --insecure", /it is for tls: and https/],
    ["wait unix:x -4", /--ipv4 cannot be used/],
    ["wait udp:1 --proxy socks5://localhost", /--proxy cannot be used/],
    ["wait tcp:1 --proxy-ca x", /--proxy-ca/],
    ["wait -4 tcp:[::1]:80", /::1 is an IPv6 address/],
    ["wait tls:1 --ca nosuchfile", /nosuchfile/],
    ["wait tls:1 --key x", /--key needs --cert/],
  ])("%s", (line, ...says) => isMisuse(words(line), ...says));
});

describe("a scan that cannot be is a usage error, exit code 2, and nothing is opened", () => {
  test.each<Misuse>([
    ["scan localhost", /ports/],
    ["scan localhost 0", /'0'/, /1 to 65535/],
    ["scan localhost 1-65536", /'1-65536'/, /1 to 65535/],
    ["scan localhost 20-10", /'20-10'/],
    ["scan localhost 80,", /''/, /22, 1-1024/],
    ["scan localhost nosuchservice", /'nosuchservice'/, /such as https/],
    ["scan localhost:80 80", /'localhost:80'/],
    ["scan [::1 80", /'\[::1'/],
    ["scan -4 ::1 80", /::1 is an IPv6 address/],
    ["scan localhost 80 --parallel 0", /1 to 65535/],
    ["scan localhost 80 -w 0", /longer than 0/],
    ["scan localhost 80 --timeout soon", /expected a time/],
  ])("%s", (line, ...says) => isMisuse(words(line), ...says));
});

describe("a port that is none is a usage error, exit code 2, and nothing is opened", () => {
  const commands = ["tcp listen", "tcp connect", "udp bind", "udp send", "http listen", "address"];
  const ports = ["-1", "65536", "99999", "80x", ""];
  test.each(commands.flatMap((command) => ports.map((port) => ({ command, port }))))(
    "$command 127.0.0.1 '$port'",
    ({ command, port }) =>
      isMisuse([...words(command), "127.0.0.1", port], new RegExp(`'${port}'`), /[01] to 65535/),
  );

  test.each<Misuse>([
    ["tcp listen 65536", /'65536'/, /0 to 65535/],
    ["tcp listen :65536", /'65536'/, /0 to 65535/],
    ["tcp listen 80x", /'80x'/, /expected a port/],
    ["tcp listen 127.0.0.1:", /''/, /0 to 65535/],
    ["tcp listen [::1]:99999", /'99999'/, /0 to 65535/],
    ["tcp connect 127.0.0.1 0", /'0'/, /1 to 65535/],
    ["tcp connect 127.0.0.1:80x", /'80x'/, /1 to 65535/],
    ["udp send 127.0.0.1:0 hello", /'0'/, /1 to 65535/],
    ["udp send 127.0.0.1:70000", /'70000'/, /1 to 65535/],
    ["udp bind 0 --peer 127.0.0.1:0", /'0'/, /1 to 65535/],
    ["tcp connect 127.0.0.1 9 --source 127.0.0.1:65536", /'65536'/, /0 to 65535/],
  ])("%s", (line, ...says) => isMisuse(words(line), ...says));

  test.each(["tcp listen", "tcp connect", "udp bind", "address"])("%s ''", (command) =>
    isMisuse([...words(command), ""], /''/, /65535/),
  );
});

describe("a place that is none is a usage error, exit code 2, and nothing is opened", () => {
  test.each<Misuse>([
    ["tcp listen", /expected/],
    ["tcp connect", /expected/],
    ["udp bind", /expected/],
    ["tcp listen 127.0.0.1 80 81", /expected \[host\] <port>/, /3 words/],
    ["tcp listen ::1:80", /'::1:80'/, /brackets/],
    ["tcp connect 127.0.0.300 80", /'127.0.0.300'/, /0 to 255/],
    ["tcp connect 127.1 80", /'127.1'/, /four numbers/],
    ["tcp connect [::g] 80", /'\[::g\]'/, /expected/],
    ["tcp connect http://localhost 80", /'http:\/\/localhost'/, /expected/],
    ["tcp connect 127.0.0.1 9 --source localhost", /localhost/, /numeric address/],
    ["udp bind 0 --join 127.0.0.1", /127\.0\.0\.1/, /multicast group/],
    ["unix listen", /expected the path/],
    ["unix connect", /expected the path|missing required argument/],
    ["unix listen @", /after @/],
  ])("%s", (line, ...says) => isMisuse(words(line), ...says));

  test.each(["unix listen", "unix connect", "address --unix"])(
    "%s with an empty path, and with one longer than the system's limit",
    async (command) => {
      const limit = process.platform === "linux" ? 107 : 103;
      await isMisuse([...words(command), ""], /empty/);
      const path = "x".repeat(limit + 1);
      await isMisuse(
        [...words(command), path],
        new RegExp(`${path} is ${String(limit + 1)} bytes long`),
        new RegExp(`limit is ${String(limit)}`),
      );
    },
  );

  test("a path exactly as long as the system's limit is listened on", async () => {
    const cwd = temporaryFolder();
    const path = "x".repeat(process.platform === "linux" ? 107 : 103);
    const tool = new Tool(["unix", "listen", path, "--timeout", "300ms"], { cwd });
    expect(await tool.event("listening")).toMatchObject({ path });
    expect((await tool.ended).code).toBe(5);
    expect(readdirSync(cwd)).toEqual([]);
  });
});

describe("a value that is none is a usage error, exit code 2, and nothing is opened", () => {
  const time = /expected a time such as 250ms/;
  const positive = /expected a time longer than 0/;
  const size = /expected a size such as/;
  const count = /expected a whole number from/;
  test.each<Misuse>([
    ["tcp connect 127.0.0.1 9 -w 5x", time],
    ["tcp connect 127.0.0.1 9 -w 5sec", time],
    ["tcp connect 127.0.0.1 9 -w 1000h", /at most 24 days/],
    ["tcp connect 127.0.0.1 9 --retry 3 --retry-interval 1day", time],
    ["tcp connect 127.0.0.1 9 --retry 0", count],
    ["tcp connect 127.0.0.1 9 --retry many", count],
    ["tcp listen 0 -i 3d", time],
    ["tcp listen 0 -i 0", positive],
    ["tcp listen 0 -i=-5", time],
    ["tcp listen 0 --timeout 1w", time],
    ["tcp listen 0 --timeout 0", positive],
    ["tcp listen 0 --linger 5minutes", time],
    ["tcp listen 0 --line-delay 1x", time],
    ["tcp listen 0 --keep-alive 1y", time],
    ["tcp listen 0 --bytes 5q", size],
    ["tcp listen 0 --bytes 0", size],
    ["tcp listen 0 --bytes 1.5", size],
    ["tcp listen 0 --bytes -5", /expected|argument missing|out of range/],
    ["tcp listen 0 -k --queue 1XB", size],
    ["tcp listen 0 -k --stall 1fortnight", time],
    ["tcp listen 0 -k -m 0", count],
    ["tcp listen 0 --backlog 0", count],
    ["tcp listen 0 --tos 64", /expected 0 to 63/],
    ["tcp listen 0 --tos loud", /expected 0 to 63/],
    ["tcp listen --fd three", count],
    ["unix listen socket --mode 999", /in octal/],
    ["udp bind 0 --receive-buffer 1x", size],
    ["udp bind 0 --count 0", count],
    ["udp bind 0 --ttl 256", /whole number from 1 to 255/],
    ["udp send 127.0.0.1 9 --chunk 65508", /at most 65507/],
    ["udp send 127.0.0.1 9 --chunk 1z", size],
    ["udp send 127.0.0.1 9 x --wait 5d", time],
    ["udp send 127.0.0.1 9 x --replies none", count],
    ["udp send 127.0.0.1 9 --message-hex 123", /pairs of hex digits/],
    ["udp send 127.0.0.1 9 --message-hex xy", /pairs of hex digits/],
    ["http listen 0 --status 600", /expected a whole number from 200 to 599/],
    ["http listen 0 --status 100", /from 200 to 599: one of 1xx comes before an answer/],
    ["http listen 0 --status ok", /expected a whole number from 200 to 599/],
    ["http listen 0 --header Name", /expected a header such as 'Name: value'/],
    ["http listen 0 --header na(me:x", /expected a header such as 'Name: value'/],
    ["http listen 0 --header Content-Length:5", /Content-Length follows from the body/],
    ["http listen 0 --body @-", /stdin is not read/],
    ["http listen 0 --body @", /expected the path of a file/],
    ["http listen 0 --body @nothing", /--body nothing: no such file/],
    ["http listen 0 --body @/", /--body \/: expected a file, but it is a folder/],
    ["http listen 0 --serve nothing", /--serve nothing: no such file/],
    ["http listen 0 --serve ready", /--serve ready: expected a folder/],
    ["http listen 0 --delay 5x", time],
    ["http listen 0 -i 0", positive],
    ["address --hold 1q", time],
    ["address --count 0", count],
  ])("%s", (line, ...says) => isMisuse(words(line), ...says));

  test.each(["tcp listen", "tcp connect", "unix listen", "unix connect"])(
    "%s --fd 99, which nobody handed to it, and --fd 0, which is a file",
    async (command) => {
      await isMisuse([...words(command), "--fd", "99"], /--fd 99/, /no such descriptor/, /EBADF/);
      await isMisuse([...words(command), "--fd", "0"], /--fd 0/, /not a socket/);
    },
  );

  test("a message over 65507 bytes, as text and as hex", async () => {
    const tooLong = 65508;
    const says = [/the message has 65508 bytes/, /at most 65507/];
    await isMisuse(["udp", "send", "127.0.0.1", "9", "x".repeat(tooLong)], ...says);
    await isMisuse(
      ["udp", "send", "127.0.0.1", "9", "--message-hex", "00".repeat(tooLong)],
      ...says,
    );
  });
});

describe("an impossible combination is a usage error, exit code 2, and nothing is opened", () => {
  const both = /cannot be used with/;
  test.each<Misuse>([
    ["tcp listen 0 -4 -6", both],
    ["tcp listen 0 -q -v", both],
    ["tcp listen 0 --send-only --receive-only", both],
    ["tcp listen 0 --send-only --no-stdin", both],
    ["tcp listen 0 --send-only --bytes 5", both],
    ["tcp listen 0 --send-only --no-half-close", both],
    ["tcp listen 0 --allow-half-open --receive-only", both],
    ["tcp listen 0 --allow-half-open --no-stdin", both],
    ["tcp listen 0 --crlf --no-stdin", both],
    ["tcp listen 0 --line-delay 1s --receive-only", both],
    ["tcp listen 0 -k --bytes 5", both],
    ["tcp listen 127.0.0.1 0 --local", both, /--local/],
    ["tcp listen 0 -m 2", /--max-connections needs --keep-open/],
    ["tcp listen 0 --queue 1k", /--queue needs --keep-open/],
    ["tcp listen 0 --stall 1s", /--stall needs --keep-open/],
    ["tcp listen 0 --fd 3", /--fd cannot be used with a host or a port/],
    ["tcp listen --fd 3 --local", /--local cannot be used with --fd/],
    ["tcp connect --fd 3 --source 127.0.0.1", /--source cannot be used with --fd/],
    ["tcp connect --fd 3 --proxy http://127.0.0.1:1", /--proxy cannot be used with --fd/],
    [
      "http request http://db.test/ --unix socket --proxy http://127.0.0.1:1",
      /--proxy cannot be used with --unix/,
    ],
    ["http request http://[::1]/ --proxy socks4://127.0.0.1:1", /a socks4 proxy knows no IPv6/],
    ["http request http://db.test/ --proxy-ca file", /--proxy-ca needs an https:\/\/ proxy/],
    ["tcp connect 127.0.0.1 9 --proxy-ca file", /--proxy-ca needs an https:\/\/ proxy/],
    [
      "tcp connect 127.0.0.1 9 --proxy http://127.0.0.1:1 --proxy-ca file",
      /--proxy-ca needs an https:\/\/ proxy/,
    ],
    ["tcp connect ::1 9 --proxy socks4a://127.0.0.1:1", /a socks4a proxy knows no IPv6 addresses/],
    ["tcp connect 0.0.0.5 9 --proxy socks4://127.0.0.1:1", /cannot be asked for 0.0.0.5/],
    ["tcp connect a\u200db.x 9 --proxy socks5://127.0.0.1:1", /it is no name of DNS/],
    [
      `tcp connect ${Array(40).fill("ü").join(".")}.x 9 --proxy socks5://127.0.0.1:1`,
      /it is no name of DNS/,
    ],
    ["tcp connect ::1%lo 9 --proxy socks5://127.0.0.1:1", /a proxy knows no interface/],
    [
      "tcp connect db.test 9 -6 --proxy socks5://127.0.0.1:1",
      /127.0.0.1 is an IPv4 address, but -6/,
    ],
    ["tcp connect --fd 3 --retry 2", /--retry cannot be used with --fd/],
    ["tcp connect 127.0.0.1 9 --fd 3", /--fd cannot be used with a host or a port/],
    ["tcp connect 127.0.0.1 9 --retry-interval 1s", /--retry-interval needs --retry/],
    ["tcp connect 127.0.0.1 9 -6", /127\.0\.0\.1 is an IPv4 address/, /-6/],
    ["tcp connect ::1 9 -4", /::1 is an IPv6 address/, /-4/],
    ["tcp listen 127.0.0.1 0 -6 --ready-file ready", /127\.0\.0\.1 is an IPv4 address/, /-6/],
    ["udp bind 127.0.0.1 0 -6 --ready-file ready", /127\.0\.0\.1 is an IPv4 address/, /-6/],
    ["udp send 127.0.0.1 9 -6", /127\.0\.0\.1 is an IPv4 address/, /-6/],
    ["tcp connect 127.0.0.1 9 --source ::1", /--source ::1 is IPv6/],
    ["udp send 127.0.0.1 9 --source ::1", /--source ::1 is IPv6/],
    ["unix listen socket --fd 3", /--fd cannot be used with a path/],
    ["unix listen @name --mode 600", /--mode cannot be used with a name in the abstract/],
    ["http listen 0 --once -k", both],
    ["http listen 0 -m 2", /--max-connections needs --keep-open/],
    ["http listen 0 --echo --body x", both],
    ["http listen 0 --echo --serve .", both],
    ["http listen 0 --body x --serve .", both],
    ["http listen 0 --status 201 --serve .", both],
    ["http listen 0 --status 204 --body x", /--status 204 has no body: --body/],
    ["http listen 0 --status 304 --echo", /--status 304 has no body: --echo/],
    ["http listen 0 --fd 3", /--fd cannot be used with a host or a port/],
    ["http listen 0 --cert x.pem", /--cert needs --tls/],
    ["http listen 0 --tls --alpn h2", /--alpn h2: http\/1.1 has to be among them/],
    ["udp send 127.0.0.1 9 --lines --chunk 5", both],
    ["udp send 127.0.0.1 9 hello --lines", /a message is one datagram/],
    ["udp send 127.0.0.1 9 hello --message-hex 00", /cannot be used with --message-hex/],
    ["udp send 127.0.0.1 9 --message-hex 00 --lines", both],
    ["address --port --unix socket", both],
    ["address --udp --unix socket", both],
    ["address --count 2 4000", /--count cannot be used with a port/],
    ["address --unix socket 127.0.0.1", /--unix cannot be used with/],
    ["address 127.0.0.1 -6", /127\.0\.0\.1 is an IPv4 address/, /-6/],
  ])("%s", (line, ...says) => isMisuse(words(line), ...says));
});

describe("a command line that asks for nothing known is a usage error, exit code 2", () => {
  test.each<Misuse>([
    ["nosuch", /nosuch/],
    ["tcp nosuch", /nosuch/],
    ["tcp listen 0 --nosuch", /unknown option '--nosuch'/],
    ["tcp listen 0 --liste", /unknown option '--liste'/],
    ["tcp listen 0 --linger", /--linger <time>.*argument missing/],
    ["udp send", /missing required argument 'host'/],
    ["unix listen a b", /too many arguments|one word too many/],
  ])("%s", (line, ...says) => isMisuse(words(line), ...says));
});

test("with --json a usage error is one event with the code USAGE", async () => {
  const tool = new Tool(["tcp", "listen", "127.0.0.1", "65536"]);
  expect(await tool.ended).toMatchObject({ code: 2, stdout: Buffer.alloc(0) });
  expect(tool.events()).toEqual([
    {
      event: "error",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
      message: "port '65536' is not valid: expected a number from 0 to 65535",
      code: "USAGE",
      exitCode: 2,
      address: null,
      port: null,
    },
  ]);
});

test("address --port with --json is a usage error, exit code 2", async () => {
  const tool = new Tool(["address", "--port"]);
  expect(await tool.ended).toMatchObject({ code: 2, stdout: Buffer.alloc(0) });
  expect(tool.all("error")).toMatchObject([{ message: "--port cannot be used with --json" }]);
});

interface Failure {
  readonly exitCode: number;
  readonly code: string;
  readonly address: string;
  readonly port: number | null;
  readonly says: readonly RegExp[];
}

/** It fails with one `error` event that has all its fields, as the last and only event but warnings. */
async function failsWith(tool: Tool, { exitCode, says, ...fields }: Failure): Promise<void> {
  const ended = await tool.ended;
  expect(ended.stdout.toString()).toBe("");
  expect(tool.events().map(({ event }) => event)).toEqual(["error"]);
  const [error] = tool.all("error");
  for (const each of says) expect(error?.message).toMatch(each);
  expect(error?.message).toContain(fields.code);
  expect(error).toMatchObject({ ...fields, exitCode });
  expect({ code: ended.code, signal: ended.signal }).toEqual({ code: exitCode, signal: null });
}

/** A UDP port that nobody has. */
async function udpPort(): Promise<number> {
  const socket = createSocket("udp4");
  onTestFinished(() => void socket.close());
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket.address().port;
}

describe("exit code 3: the name does not resolve", () => {
  // Longer than a label can be (RFC 1035, section 2.3.4): no name server is asked.
  const host = `${"x".repeat(64)}.invalid`;
  test.each(["tcp listen", "tcp connect", "udp bind", "udp send", "address"])(
    "%s",
    async (command) => {
      const message = command === "udp send" ? ["hello"] : [];
      const tool = new Tool([...words(command), host, "4000", ...message]);
      await failsWith(tool, {
        exitCode: 3,
        code: "ENOTFOUND",
        address: host,
        port: 4000,
        says: [new RegExp(`cannot resolve ${host}`), /name not found/],
      });
    },
  );
});

describe("exit code 4: connection refused", () => {
  test("tcp connect to a port that nobody listens on, in the words of the manual", async () => {
    const port = await freePort();
    const says = `cannot connect to 127.0.0.1:${String(port)}: connection refused (ECONNREFUSED)`;
    const args = ["tcp", "connect", "127.0.0.1", String(port)];
    await failsWith(new Tool(args), {
      exitCode: 4,
      code: "ECONNREFUSED",
      address: "127.0.0.1",
      port,
      says: [/connection refused/],
    });
    const { code, stderr } = await portcat(args).ended;
    expect({ code, stderr }).toEqual({ code: 4, stderr: `portcat: ${says}\n` });
  });

  test("tcp connect by name says which addresses it tried, and the name", async () => {
    const port = String(await freePort());
    const { code, stderr } = await portcat(["tcp", "connect", "localhost", port, "-4"]).ended;
    expect({ code, stderr }).toEqual({
      code: 4,
      stderr: `portcat: cannot connect to 127.0.0.1:${port} (localhost): connection refused (ECONNREFUSED)\n`,
    });
  });

  test("udp send to a port that nobody has", async () => {
    const port = await freePort();
    const tool = new Tool(["udp", "send", "127.0.0.1", String(port), "hello"]);
    const ended = await tool.ended;
    expect({ code: ended.code, stdout: ended.stdout.toString() }).toEqual({ code: 4, stdout: "" });
    expect(tool.all("error")).toMatchObject([
      { exitCode: 4, code: "ECONNREFUSED", address: "127.0.0.1", port },
    ]);
  });

  test("unix connect to a path where there is nothing", async () => {
    const path = join(temporaryFolder(), "socket");
    await failsWith(new Tool(["unix", "connect", path]), {
      exitCode: 4,
      code: "ENOENT",
      address: path,
      port: null,
      says: [/cannot connect to/, /no such file/],
    });
    expect(existsSync(path)).toBe(false);
  });
});

test.runIf(process.platform === "linux")(
  "exit code 5: nobody answers within --connect-timeout",
  async () => {
    const listener = new Tool(["tcp", "listen", "127.0.0.1:0", "--backlog", "1"]);
    const port = await listener.port();
    // It is frozen and its queue filled: the system drops who comes after that.
    listener.child.kill("SIGSTOP");
    await connectPeer({ host: "127.0.0.1", port });
    await connectPeer({ host: "127.0.0.1", port });
    const tool = new Tool(["tcp", "connect", "127.0.0.1", String(port), "-w", "500ms"]);
    await failsWith(tool, {
      exitCode: 5,
      code: "ETIMEDOUT",
      address: "127.0.0.1",
      port,
      says: [/cannot connect to 127\.0\.0\.1:\d+/, /no answer within 0\.5 s/],
    });
    listener.child.kill("SIGKILL");
  },
);

/** A network without a way to anywhere (util-linux, Linux's user namespaces). */
const unshare = ["unshare", "--map-root-user", "--net"] as const;
const hasUnshare = spawnSync(unshare[0], [...unshare.slice(1), "true"]).status === 0;

describe.skipIf(!hasUnshare)("exit code 6: the network is unreachable", () => {
  test.each(["tcp connect 192.0.2.1 9", "udp send 192.0.2.1 9 hello"])("%s", async (line) => {
    const args = [...unshare.slice(1), process.execPath, bin, ...words(line), "--json"];
    const tool = new Running(unshare[0], args);
    tool.stdin.end();
    await tool.says(/\n/);
    const error = JSON.parse(tool.stderr.split("\n")[0] ?? "") as object;
    expect(error).toMatchObject({
      event: "error",
      message: expect.stringMatching(
        /^cannot (connect|send) to 192\.0\.2\.1:9: network unreachable \(ENETUNREACH\)$/,
      ) as string,
      code: "ENETUNREACH",
      exitCode: 6,
      address: "192.0.2.1",
      port: 9,
    });
    expect(await tool.ended).toMatchObject({ code: 6, stdout: Buffer.alloc(0) });
  });
});

describe("exit code 7: it cannot be bound", () => {
  const command = process.platform === "linux" ? /`ss -l[tu]np.*sport = :\d+/ : /`(lsof|netstat) /;

  test.each([
    ["tcp listen", "tcp"],
    ["address", "tcp"],
    ["udp bind", "udp"],
    ["address --udp", "udp"],
  ])(
    "%s on a taken port names the port and the command that tells who has it",
    async (line, kind) => {
      const port = kind === "tcp" ? (await startServer()).port : await udpPort();
      const tool = new Tool([...words(line), "127.0.0.1", String(port)]);
      await failsWith(tool, {
        exitCode: 7,
        code: "EADDRINUSE",
        address: "127.0.0.1",
        port,
        says: [new RegExp(`127\\.0\\.0\\.1:${String(port)}`), /already in use/, command],
      });
    },
  );

  test.each(["tcp listen", "udp bind", "address"])(
    "%s on an address that is not ours",
    async (line) => {
      const port = await freePort();
      await failsWith(new Tool([...words(line), "192.0.2.1", String(port)]), {
        exitCode: 7,
        code: "EADDRNOTAVAIL",
        address: "192.0.2.1",
        port,
        says: [/192\.0\.2\.1/, /no such address on this machine/],
      });
    },
  );

  test.each(["tcp connect 127.0.0.1 9", "udp send 127.0.0.1 9 hello"])(
    "%s from an address that is not ours",
    async (line) => {
      const tool = new Tool([...words(line), "--source", "192.0.2.1"]);
      const { code, stdout } = await tool.ended;
      expect({ code, stdout: stdout.toString() }).toEqual({ code: 7, stdout: "" });
      expect(tool.events()).toMatchObject([{ event: "error", exitCode: 7, code: "EADDRNOTAVAIL" }]);
      expect(tool.all("error")[0]?.message).toContain("192.0.2.1");
    },
  );

  const isRoot = process.getuid?.() === 0;
  const lowest = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
  const guarded = existsSync(lowest) && Number(readFileSync(lowest, "utf8")) > 1;
  test.skipIf(!guarded).each(["tcp listen", "udp bind", "address"])(
    "%s on a privileged port, as somebody who may not, says who may",
    async (line) => {
      const tool = new Tool([...words(line), "127.0.0.1", "1"], isRoot ? { uid: 65534 } : {});
      await failsWith(tool, {
        exitCode: 7,
        code: "EACCES",
        address: "127.0.0.1",
        port: 1,
        says: [/127\.0\.0\.1:1\b/, /permission denied/, /below 1024 are for root/],
      });
    },
  );

  test.each(["unix listen", "address --unix"])(
    "%s where somebody listens: that one is left alone",
    async (line) => {
      const path = join(temporaryFolder(), "socket");
      const { client } = await startServer(path);
      await failsWith(new Tool([...words(line), path]), {
        exitCode: 7,
        code: "EADDRINUSE",
        address: path,
        port: null,
        says: [/another process listens there/],
      });
      (await client()).socket.destroy();
      await connectPeer({ path });
    },
  );

  test.each(["unix listen", "address --unix"])(
    "%s where a file is that is no socket: the file is left alone",
    async (line) => {
      const path = join(temporaryFolder(), "notes");
      writeFileSync(path, "important");
      await failsWith(new Tool([...words(line), path]), {
        exitCode: 7,
        code: "EADDRINUSE",
        address: path,
        port: null,
        says: [/not a socket/],
      });
      expect(readFileSync(path, "utf8")).toBe("important");
    },
  );

  test("unix listen in a folder that is not there", async () => {
    const path = join(temporaryFolder(), "missing", "socket");
    await failsWith(new Tool(["unix", "listen", path]), {
      exitCode: 7,
      code: "ENOENT",
      address: path,
      port: null,
      says: [/cannot listen on/, /no such file or directory/],
    });
  });
});

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { authority, issue } from "../helpers/certificates.ts";
import { type Program, testWith } from "../helpers/peers.ts";
import { tcpUnread } from "../helpers/processes.ts";
import { dnsmasq, dnsQuery, nginx, postgresql, redis, type Service } from "../helpers/services.ts";
import { portcat, Tool } from "../helpers/tool.ts";

/** A service that is waited for, at all of its places at once. */
interface Begun {
  readonly service: Service;
  readonly targets: readonly string[];
  /** What it is asked, and has to say. */
  readonly flags: readonly string[];
}

interface Peer {
  readonly name: string;
  readonly programs: readonly Program[];
  readonly begin: () => Promise<Begun>;
  /** What is said of it where it listens and does not answer. */
  readonly silence: RegExp;
}

const tcp = ({ host, port }: { host: string; port: number }) => `${host}:${String(port)}`;

const ping = ["--send", String.raw`PING\r\n`, "--expect", "+PONG"];
/** PostgreSQL's SSLRequest, which it answers with one letter (its manual, section 55.2.11). */
const sslRequest = String.raw`\0\0\0\x08\x04\xd2\x16\x2f`;
/** The answer's last bytes are the address. */
const dnsFlags = ["--send", dnsQuery, "--expect", String.raw`/\x0a\x00\x02\x07$/`];
const readyAddress = "--address=/ready.test/10.0.2.7";

/** An nginx with a certificate of localhost, by an authority that nobody else knows. */
async function secureNginx() {
  const ca = await authority();
  const server = await nginx(await issue({ by: ca, names: ["localhost"] }));
  const health = (text: string) => writeFileSync(join(server.root, "health"), text);
  return { ...server, health, ca, https: `https://${tcp(server.secure)}/health` };
}

const peers: readonly Peer[] = [
  {
    name: "Redis",
    programs: ["redis-server"],
    begin: async () => {
      const { service, path, ...place } = await redis();
      return { service, targets: [`tcp:${tcp(place)}`, `unix:${path}`], flags: ping };
    },
    silence: /^\S+ has said nothing within [\d.]+ s$/,
  },
  {
    name: "PostgreSQL",
    programs: ["postgres", "initdb"],
    begin: async () => {
      const { service, path, ...place } = await postgresql();
      const flags = ["--send", sslRequest, "--expect", "/^[SN]/"];
      return { service, targets: [tcp(place), `unix:${path}`], flags };
    },
    silence: /^\S+ has said nothing within [\d.]+ s$/,
  },
  {
    name: "nginx",
    programs: ["nginx"],
    begin: async () => {
      const { service, origin, path, https, ca, health } = await secureNginx();
      health('{"status": "ok"}');
      return {
        service,
        targets: [`${origin}/health`, `http+unix:${path}:/health`, https],
        flags: [
          ...["--expect-status", "200", "--expect", '/"status": *"ok"/'],
          ...["--ca", ca.certFile, "--servername", "localhost"],
        ],
      };
    },
    silence: /^no (answer|TLS with \S+: no handshake) within [\d.]+ s( \(ETIMEDOUT\))?$/,
  },
  {
    name: "a DNS server",
    programs: ["dnsmasq"],
    begin: async () => {
      const { service, ...place } = await dnsmasq(readyAddress);
      return { service, targets: [`udp:${tcp(place)}`], flags: dnsFlags };
    },
    silence: /^\S+ does not answer within [\d.]+ s$/,
  },
];

/** Starts a wait, which is given up before the test is. */
const waiting = (...args: readonly string[]) =>
  new Tool(["wait", "--timeout", "20s", ...args], { stdin: "null" });

type Answer = ReturnType<typeof answersOf>[number];
const answersOf = (tool: Tool) => tool.all("target");

/** Waits until each target has given such an answer. */
const whenEach = (tool: Tool, targets: readonly string[], isSuch: (answer: Answer) => boolean) =>
  tool.until(() =>
    targets.every((target) =>
      answersOf(tool).some((answer) => answer.target === target && isSuch(answer)),
    ),
  );

/** What --json prints. */
interface Result {
  done: boolean;
  targets: { target: string; state: string; answer: string; code: string | null }[];
}

async function ended(tool: Tool) {
  const { code, stdout } = await tool.ended;
  const [error] = tool.all("error");
  return { code, message: error?.message ?? "", result: JSON.parse(stdout.toString()) as Result };
}

describe.each(peers.map((peer) => [peer.name, peer] as const))("wait for %s", (_, peer) => {
  const { programs, begin, silence } = peer;

  testWith(programs, "that starts late is exit code 0 once it answers", async () => {
    const { service, targets, flags } = await begin();
    const tool = waiting(...targets, ...flags);
    await whenEach(tool, targets, ({ state, code }) => state === "waiting" && code !== null);
    await service.start();
    const { code, result } = await ended(tool);
    expect([code, result.done]).toEqual([0, true]);
    expect(result.targets.map(({ target, state }) => [target, state])).toEqual(
      targets.map((target) => [target, "ready"]),
    );
  });

  testWith(programs, "that restarts meanwhile begins anew with --stable", async () => {
    const { service, targets, flags } = await begin();
    await service.start();
    const stable = 25;
    const rhythm = ["--stable", String(stable), "--interval", "30ms", "-v"];
    const tool = waiting(...targets, ...flags, ...rhythm);
    await whenEach(tool, targets, ({ code }) => code === null);
    await service.stop();
    await whenEach(tool, targets, ({ code }) => code !== null);
    await service.start();
    expect((await ended(tool)).code).toBe(0);
    for (const target of targets) {
      const answers = answersOf(tool).filter((answer) => answer.target === target);
      const lastFailure = answers.findLast(({ code }) => code !== null)?.attempts ?? NaN;
      expect(answers.at(-1)).toMatchObject({ state: "ready", attempts: lastFailure + stable });
    }
  });

  testWith(programs, "that listens without answering is 5, and 0 when it goes on", async () => {
    const { service, targets, flags } = await begin();
    await service.start();
    const letGo = await service.hold();
    const silent = await ended(waiting(...targets, ...flags, "--timeout", "500ms"));
    expect([silent.code, silent.result.done]).toEqual([5, false]);
    expect(silent.message).toContain("not ready within 0.5 s: ");
    for (const { target, answer, code } of silent.result.targets) {
      expect([target, code]).toEqual([target, "ETIMEDOUT"]);
      expect(answer).toMatch(silence);
      expect(silent.message).toContain(`: ${answer}`);
    }
    const tool = waiting(...targets, ...flags, "-w", "200ms");
    await whenEach(tool, targets, ({ answer }) => silence.test(answer));
    letGo();
    expect((await ended(tool)).code).toBe(0);
  });

  testWith(programs, "with --down is exit code 0 once it has stopped, and 5 before", async () => {
    const { service, targets } = await begin();
    await service.start();
    const brief = ["--down", "-w", "200ms"];
    const still = await ended(waiting(...targets, ...brief, "--timeout", "500ms"));
    expect(still.code).toBe(5);
    expect(still.message).toMatch(/not gone within 0.5 s: .*(accepts connections|does not answer)/);
    const tool = waiting(...targets, ...brief);
    await whenEach(tool, targets, ({ state }) => state === "waiting");
    await service.stop();
    expect((await ended(tool)).code).toBe(0);
    expect((await ended(waiting(...targets, ...brief))).code).toBe(0);
  });
});

describe("wait", () => {
  testWith(["redis-server"], "tells when Redis is killed while it is asked", async () => {
    const { service, ...place } = await redis();
    await service.start();
    await service.hold();
    const tool = waiting(`tcp:${tcp(place)}`, ...ping);
    await tcpUnread(place.port);
    await service.stop("SIGKILL");
    await whenEach(tool, [`tcp:${tcp(place)}`], ({ answer }) => answer.includes("has left"));
    await service.start();
    expect((await ended(tool)).code).toBe(0);
  });

  testWith(["redis-server"], "is 11 where Redis asks for a password, and 0 with it", async () => {
    const { service, ...place } = await redis("--requirepass", "s3cret");
    await service.start();
    const without = await ended(waiting(tcp(place), ...ping, "--timeout", "300ms"));
    expect(without.code).toBe(11);
    expect(without.message).toContain('"-NOAUTH Authentication required.');
    const send = ["--send", String.raw`AUTH s3cret\r\nPING\r\n`];
    expect((await ended(waiting(tcp(place), ...send, "--expect", "+PONG"))).code).toBe(0);
  });

  testWith(["nginx"], "is 11 while nginx answers 503, and 0 once it is healthy", async () => {
    const { service, health, root, ...server } = await secureNginx();
    await service.start();
    const target = `${server.origin}/health`;
    const early = await ended(waiting(target, "--timeout", "300ms"));
    expect(early.code).toBe(11);
    expect(early.message).toContain("status 503 Service Temporarily Unavailable");
    expect((await ended(waiting(target, "--expect-status", "200,503"))).code).toBe(0);
    const tool = waiting(target, `http+unix:${server.path}:/health`);
    await tool.event("target", 2);
    health("ok");
    expect((await ended(tool)).code).toBe(0);
    rmSync(join(root, "health"));
    expect((await ended(waiting(target, "--timeout", "300ms"))).code).toBe(11);
  });

  testWith(["nginx"], "is 11 until the body of an answer has what is expected", async () => {
    const { service, health, origin } = await secureNginx();
    await service.start();
    health("starting");
    const args = [`${origin}/health`, "--expect", "all is well"];
    const early = await ended(waiting(...args, "--timeout", "300ms"));
    expect(early.code).toBe(11);
    expect(early.message).toContain("status 200 OK, without what was expected");
    const tool = waiting(...args);
    await tool.event("target");
    health(`${"much else\n".repeat(1000)}all is well`);
    expect((await ended(tool)).code).toBe(0);
  });

  testWith(["nginx"], "is 9 for a certificate of another name, and 0 with its own", async () => {
    const { service, health, ca, https, secure } = await secureNginx();
    health("ok");
    await service.start();
    const trust = ["--ca", ca.certFile];
    const wrong = await ended(waiting(https, ...trust, "--timeout", "300ms"));
    expect(wrong.code).toBe(9);
    expect(wrong.message).toMatch(/the certificate is not for 127\S+, but for localhost/);
    const unknown = await ended(waiting(https, "--timeout", "300ms", "--servername", "localhost"));
    expect(unknown.code).toBe(9);
    expect((await ended(waiting(https, ...trust, "--servername", "localhost"))).code).toBe(0);
    expect((await ended(waiting(https, "--insecure"))).code).toBe(0);
    const own = `tls:${tcp(secure)}?servername=localhost&ca=${encodeURIComponent(ca.certFile)}`;
    const request = String.raw`&send=GET /health HTTP/1.0\r\n\r\n&expect=200 OK`;
    expect((await ended(waiting(`${own}${request}`))).code).toBe(0);
  });

  testWith(["nginx"], "says so where TLS and no TLS meet", async () => {
    const { service, origin, https } = await secureNginx();
    await service.start();
    const http = origin.replace("http:", "https:");
    const plain = await ended(waiting(http, "--timeout", "300ms"));
    expect(plain.code).toBe(9);
    expect(plain.message).toContain("does not speak TLS");
    const secure = await ended(waiting(https.replace("https:", "http:"), "--timeout", "300ms"));
    expect(secure.code).toBe(11);
    expect(secure.message).toContain("status 400 Bad Request");
  });

  testWith(["dnsmasq"], "is 11 where a DNS server does not know the name yet", async () => {
    const { service, ...place } = await dnsmasq();
    await service.start();
    const refused = await ended(waiting(`udp:${tcp(place)}`, ...dnsFlags, "--timeout", "300ms"));
    expect(refused.code).toBe(11);
    expect(refused.message).toMatch(/ answers "pc/);
  });

  testWith(
    ["redis-server", "postgres", "initdb", "nginx", "dnsmasq"],
    "runs a command once all of them answer, each as its target says",
    async () => {
      const [cache, database, web, names] = await Promise.all([
        redis(),
        postgresql(),
        secureNginx(),
        dnsmasq(readyAddress),
      ]);
      const targets = [
        String.raw`tcp:${tcp(cache)}?send=PING\r\n&expect=%2BPONG`,
        `unix:${database.path}?send=${sslRequest}&expect=/^[SN]/`,
        web.https,
        `udp:${tcp(names)}?send=${dnsQuery}&expect=${encodeURIComponent("/\n\0\x02\x07$/")}`,
      ];
      const trust = ["--ca", web.ca.certFile, "--servername", "localhost", "--timeout", "20s"];
      const command = ["sh", "-c", 'echo "all up, $1"; exit 3', "sh", "--json"];
      const tool = portcat(["wait", ...targets, ...trust, "--", ...command], { stdin: "null" });
      await tool.says(/refused/);
      web.health("ok");
      for (const { service } of [cache, database, web]) await service.start();
      await tool.says(/^portcat: https\S+ is ready after /m);
      expect(tool.received().toString()).toBe("");
      await names.service.start();
      expect(await tool.ended).toMatchObject({ code: 3, stdout: Buffer.from("all up, --json\n") });
    },
  );
});

import type { RequestListener } from "node:http";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { authority, issue } from "../helpers/certificates.ts";
import { fileWith } from "../helpers/content.ts";
import { httpServer, rawServer } from "../helpers/http-servers.ts";
import { type StartOptions, temporaryFolder, Tool } from "../helpers/tool.ts";

const following = (args: readonly string[], options: StartOptions = {}) =>
  new Tool(["http", "request", "--follow", "-v", ...args], { stdin: "null", ...options });

/** Leads "/301?to=/x" to "/x" with a 301; anything else is answered with its method. */
const leading: RequestListener = (request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? "", "http://any");
  const status = Number(/^\/(3\d\d)$/.exec(pathname)?.[1]);
  if (status > 0)
    response.writeHead(status, { Location: searchParams.get("to") ?? "/there" }).end("moved");
  else response.end(request.method);
};

test("without --follow a redirect is an answer like any other", async () => {
  const { origin, asked } = await httpServer(leading);
  const tool = new Tool(["http", "request", `${origin}/302`], { stdin: "null" });
  expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("moved") });
  expect(asked).toHaveLength(1);
});

describe("with --follow a redirect", () => {
  test.each([
    [301, "POST", "GET"],
    [302, "POST", "GET"],
    [303, "POST", "GET"],
    [307, "POST", "POST"],
    [308, "POST", "POST"],
    [301, "PUT", "PUT"],
    [302, "PUT", "PUT"],
    [303, "PUT", "GET"],
    [307, "PUT", "PUT"],
    [303, "HEAD", "HEAD"],
  ])("of status %i after %s is followed with %s", async (status, method, next) => {
    const { origin, asked } = await httpServer(leading);
    const flags = ["-X", method, "-H", "Content-Type: text/x", "-H", "X-Kept: 1"];
    const body = method === "HEAD" ? [] : ["-d", "body"];
    const tool = following([`${origin}/${String(status)}`, ...flags, ...body]);
    const { code, stdout } = await tool.ended;
    expect([code, stdout.toString()]).toEqual([0, next === "HEAD" ? "" : next]);
    expect(asked.map(({ method, url }) => [method, url])).toEqual([
      [method, `/${String(status)}`],
      [next, "/there"],
    ]);
    const again = next === method && method !== "HEAD";
    expect(asked[1]?.body.toString()).toBe(again ? "body" : "");
    expect(asked[1]?.headers["content-type"]).toBe(again ? "text/x" : undefined);
    expect(asked[1]?.headers["x-kept"]).toBe("1");
    expect(tool.all("redirect")).toMatchObject([{ status, method: next, url: `${origin}/there` }]);
  });

  test("to the same origin has a new connection where nobody may send it twice", async () => {
    const { origin, asked } = await httpServer(leading);
    expect((await following([`${origin}/307`, "-d", "once"]).ended).code).toBe(0);
    expect(asked.map(({ method }) => method)).toEqual(["POST", "POST"]);
    expect(new Set(asked.map(({ from }) => from)).size).toBe(2);
  });

  test("to port 0 is refused", async () => {
    const { origin } = await httpServer(leading);
    const tool = following([`${origin}/302?to=http://127.0.0.1:0/`]);
    expect((await tool.ended).code).toBe(1);
    expect(tool.all("error")).toMatchObject([{ code: "EREDIRECT" }]);
  });

  test("that leads nowhere is an answer like any other", async () => {
    const { url, requests } = await rawServer(
      "HTTP/1.1 302 Found\r\nLocation:\r\nContent-Length: 2\r\n\r\nhi",
    );
    expect(await following([url]).ended).toMatchObject({ code: 0, stdout: Buffer.from("hi") });
    expect(requests()).toHaveLength(1);
  });

  test("to an address of the other family than -4 asks for is not followed", async () => {
    const { origin, asked } = await httpServer(leading);
    const tool = following([`${origin}/302?to=http://[::1]:9/`, "-4"]);
    expect((await tool.ended).code).toBe(1);
    expect(tool.all("error")).toMatchObject([{ code: "EREDIRECT" }]);
    expect(tool.all("error")[0]?.message).toContain("but -4 asks for IPv4");
    expect(asked).toHaveLength(1);
  });

  test("takes neither the name nor the certificate of --servername and --cert to another origin", async () => {
    const ca = await authority();
    const there = await httpServer((_, response) => response.end("there"), {
      tls: await issue({ by: ca }),
    });
    const here = await httpServer(
      (_, response) => response.writeHead(302, { Location: there.origin }).end(),
      { tls: await issue({ by: ca, name: "here.test", names: ["here.test"] }) },
    );
    const tool = following([here.origin, "--ca", ca.certFile, "--servername", "here.test"]);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("there") });
    expect(tool.all("connected").map(({ tls }) => tls?.subject)).toEqual([
      "here.test",
      "localhost",
    ]);
  });

  test("to the same origin goes over the same connection", async () => {
    const { origin, asked } = await httpServer(leading);
    const tool = following([`${origin}/301?to=302?to=/303`]);
    expect((await tool.ended).code).toBe(0);
    expect(asked.map(({ url }) => url)).toEqual([
      "/301?to=302?to=/303",
      "/302?to=/303",
      "/303",
      "/there",
    ]);
    expect(new Set(asked.map(({ from }) => from)).size).toBe(1);
    expect(tool.all("connected")).toHaveLength(1);
    expect(tool.all("timing").map(({ connect }) => connect === null)).toEqual([
      ...[false, true, true, true],
    ]);
  });

  test("of a server that closes goes over a new connection", async () => {
    const { origin } = await httpServer(leading);
    const { url } = await rawServer(
      `HTTP/1.1 302 Found\r\nLocation: ${origin}/x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    );
    const tool = following([url]);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("GET") });
    expect(tool.all("closed")).toMatchObject([{ reason: "end" }, { reason: "end" }]);
    // It says that it keeps the connection, and does not.
    const loop = await rawServer("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
    const again = following([loop.url]);
    expect((await again.ended).code).toBe(1);
    expect(loop.requests()).toHaveLength(11);
  });

  test("beyond the tenth is code 1", async () => {
    const { origin, asked } = await httpServer((_, response) =>
      response.writeHead(302, { Location: "/again" }).end(),
    );
    const tool = following([origin]);
    expect(await tool.ended).toMatchObject({ code: 1, stdout: Buffer.alloc(0) });
    expect(asked).toHaveLength(11);
    expect(tool.all("error")).toMatchObject([{ code: "EREDIRECT", exitCode: 1 }]);
    expect(tool.all("error")[0]?.message).toContain(`${origin}/again after 10 others`);
  });

  test("to another origin has neither credentials nor cookies, and does not get them back", async () => {
    const home = await httpServer(leading);
    const away = await httpServer((_, response) =>
      response.writeHead(307, { Location: `${home.origin}/home` }).end(),
    );
    const secrets = ["-H", "Cookie: secret=1", "-H", "X-Open: 1"];
    const first = `${home.origin.replace("//", "//me:secret@")}/307?to=${home.origin}/307?to=${away.origin}/`;
    expect((await following([first, ...secrets]).ended).code).toBe(0);
    const sent = [...home.asked.slice(0, 2), ...away.asked, ...home.asked.slice(2)];
    expect(sent.map(({ headers }) => [headers.authorization, headers.cookie])).toEqual([
      ["Basic bWU6c2VjcmV0", "secret=1"],
      ["Basic bWU6c2VjcmV0", "secret=1"],
      [undefined, undefined],
      [undefined, undefined],
    ]);
    expect(sent.map(({ headers }) => headers["x-open"])).toEqual(["1", "1", "1", "1"]);
    const typed = ["-H", "Authorization: Bearer x"];
    expect((await following([`${home.origin}/307?to=${away.origin}`, ...typed]).ended).code).toBe(
      0,
    );
    expect(away.asked[1]?.headers.authorization).toBeUndefined();
  });

  test("with credentials in its Location does not use or tell them", async () => {
    const { origin, asked } = await httpServer(leading);
    const to = `${origin.replace("//", "//me:secret@")}/there`;
    const tool = following([`${origin}/302?to=${encodeURIComponent(to)}`]);
    expect((await tool.ended).code).toBe(0);
    expect(asked[1]?.headers.authorization).toBeUndefined();
    expect(tool.all("redirect")).toMatchObject([{ url: `${origin}/there` }]);
  });

  test("from https:// to http:// is refused, and the other way taken", async () => {
    const ca = await authority();
    const tls = await issue({ by: ca });
    const plain = await httpServer(leading);
    const secure = await httpServer(leading, { tls });
    const flags = ["--ca", ca.certFile];
    const down = following([`${secure.origin}/302?to=${plain.origin}/`, ...flags]);
    expect(await down.ended).toMatchObject({ code: 1, stdout: Buffer.alloc(0) });
    expect(down.all("error")[0]?.message).toContain("from https:// to http://127.0.0.1");
    expect(plain.asked).toEqual([]);
    const up = following([`${plain.origin}/302?to=${secure.origin}/`, ...flags]);
    expect(await up.ended).toMatchObject({ code: 0, stdout: Buffer.from("GET") });
  });

  test.each(["ftp://h/", "file:///etc/passwd", "http://[", "javascript:1"])(
    "to %s is refused",
    async (to) => {
      const { origin } = await httpServer(leading);
      const tool = following([`${origin}/302?to=${to}`]);
      expect((await tool.ended).code).toBe(1);
      expect(tool.all("error")).toMatchObject([{ code: "EREDIRECT" }]);
    },
  );

  test("without a Location is an answer", async () => {
    const { origin } = await httpServer((_, response) => response.writeHead(302).end("where?"));
    expect(await following([origin]).ended).toMatchObject({
      code: 0,
      stdout: Buffer.from("where?"),
    });
  });

  test.each([
    ["long", 1 << 20],
    ["short", 1],
  ])("whose body is %s and without end is left", async (_, size) => {
    const { origin } = await httpServer((request, response) => {
      if (request.url !== "/") return void response.end("here");
      response.writeHead(302, { Location: "/there" });
      response.write(Buffer.alloc(size));
    });
    expect(await following([origin]).ended).toMatchObject({ code: 0, stdout: Buffer.from("here") });
  });

  test("whose body breaks off is followed all the same", async () => {
    const { origin } = await httpServer(leading);
    for (const then of ["end", "reset"] as const) {
      const { url } = await rawServer(
        `HTTP/1.1 302 Found\r\nLocation: ${origin}/x\r\nContent-Length: 9\r\n\r\nabc`,
        then,
      );
      expect(await following([url]).ended).toMatchObject({ code: 0, stdout: Buffer.from("GET") });
    }
  });

  test("sends a file again, also stdin, and refuses to where the body was a pipe", async () => {
    const { origin, asked } = await httpServer(leading);
    const path = join(temporaryFolder(), "body");
    writeFileSync(path, "file");
    expect((await following([`${origin}/307`, "-d", `@${path}`]).ended).code).toBe(0);
    expect(asked.map(({ body }) => body.toString())).toEqual(["file", "file"]);
    if (process.platform === "linux") {
      const stdin = fileWith("input");
      expect((await following([`${origin}/307`, "-d", "-"], { stdin }).ended).code).toBe(0);
      expect(asked.slice(2).map(({ body }) => body.toString())).toEqual(["input", "input"]);
    }
    const count = asked.length;
    const tool = following([`${origin}/307`, "-d", "-"], { stdin: "pipe" });
    tool.stdin.end("pipe");
    expect(await tool.ended).toMatchObject({ code: 1, stdout: Buffer.alloc(0) });
    expect(tool.all("error")[0]?.message).toContain("the body is a stream");
    expect(asked).toHaveLength(count + 1);
  });

  test.skipIf(process.platform === "win32")("away from --unix is refused", async () => {
    const path = join(temporaryFolder(), "socket");
    await httpServer(leading, { path });
    const at = (to: string) => following([`http://daemon/302?to=${to}`, "--unix", path]);
    expect(await at("/x").ended).toMatchObject({ code: 0, stdout: Buffer.from("GET") });
    const away = at("http://elsewhere/");
    expect((await away.ended).code).toBe(1);
    expect(away.all("error")[0]?.message).toContain("which is not at --unix");
  });

  test("with --fail is followed to where it ends", async () => {
    const { origin } = await httpServer((request, response) => {
      if (request.url === "/") response.writeHead(302, { Location: "/gone" }).end();
      else response.writeHead(410).end("gone");
    });
    expect(await following([origin, "--fail"]).ended).toMatchObject({
      code: 11,
      stdout: Buffer.from("gone"),
    });
  });
});

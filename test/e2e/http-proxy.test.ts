import { describe, expect, test } from "vitest";
import { authority, issue } from "../helpers/certificates.ts";
import { content, mebibyte, sha256 } from "../helpers/content.ts";
import { httpServer } from "../helpers/http-servers.ts";
import { conversations, httpProxy, scriptedProxy } from "../helpers/proxies.ts";
import { freePort } from "../helpers/sockets.ts";
import { type StartOptions, Tool } from "../helpers/tool.ts";

const requesting = (args: readonly string[], options: StartOptions = {}) =>
  new Tool(["http", "request", ...args], { stdin: "null", ...options });

describe("http request --proxy", () => {
  test("hands an http:// request in whole to an http proxy, with the credentials for it", async () => {
    const proxy = await httpServer((_, response) => response.end("forwarded\n"));
    const url = proxy.origin.replace("//", "//joe:s3cret@");
    const tool = requesting(["http://me:too@db.test:81/a?b=c#d", "--proxy", url, "-v"]);
    const { code, stdout, stderr } = await tool.ended;
    expect([code, stdout.toString()]).toEqual([0, "forwarded\n"]);
    expect(proxy.asked).toMatchObject([{ method: "GET", url: "http://db.test:81/a?b=c" }]);
    const [{ headers } = { headers: {} }] = proxy.asked;
    expect(headers).toMatchObject({
      host: "db.test:81",
      "proxy-authorization": `Basic ${Buffer.from("joe:s3cret").toString("base64")}`,
      authorization: `Basic ${Buffer.from("me:too").toString("base64")}`,
    });
    expect(tool.all("connected")).toMatchObject([
      { remote: { address: "db.test", port: 81 }, proxy: { address: "127.0.0.1" } },
    ]);
    expect(stderr).not.toMatch(/s3cret|am9l|too/);
  });

  test("hands it to an https proxy, which it verifies", async () => {
    const ca = await authority();
    const proxy = await httpServer((_, response) => response.end("forwarded\n"), {
      tls: await issue({ by: ca }),
    });
    const args = ["http://db.test/", "--proxy", proxy.origin];
    const trusting = await requesting([...args, "--proxy-ca", ca.certFile]).ended;
    expect([trusting.code, trusting.stdout.toString()]).toEqual([0, "forwarded\n"]);
    expect(proxy.asked).toMatchObject([{ url: "http://db.test/" }]);
    const distrusting = requesting(args);
    expect((await distrusting.ended).code).toBe(10);
    expect(distrusting.all("error")[0]?.message).toContain("--proxy-ca trusts its issuer");
  });

  test.each(["http", "https"])(
    "speaks TLS with an https:// server through an %s proxy",
    async (kind) => {
      const ca = await authority();
      const { bytes, hash } = content(mebibyte);
      const { origin } = await httpServer((_, response) => response.end(bytes), {
        tls: await issue({ by: ca }),
      });
      const port = await httpProxy(kind === "https" ? await issue({ by: ca }) : undefined);
      const proxy = [`--proxy`, `${kind}://127.0.0.1:${String(port)}`];
      const trusted = kind === "https" ? ["--proxy-ca", ca.certFile] : [];
      const tool = requesting([origin, "--ca", ca.certFile, ...proxy, ...trusted]);
      const { code, stdout } = await tool.ended;
      expect([code, sha256(stdout)]).toEqual([0, hash]);
      expect(tool.all("connected")).toMatchObject([{ tls: { authorized: true } }]);
    },
  );

  test.each(["socks4", "socks4a", "socks5"] as const)(
    "goes through a %s proxy",
    async (protocol) => {
      const answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
      const { port } = await scriptedProxy(protocol, (socket) =>
        socket.end(Buffer.concat([conversations[protocol].yes, Buffer.from(answer)])),
      );
      const proxy = ["--proxy", `${protocol}://127.0.0.1:${String(port)}`];
      const { code, stdout } = await requesting(["http://127.0.0.9/", ...proxy]).ended;
      expect([code, stdout.toString()]).toEqual([0, "hello"]);
    },
  );

  test("is exit code 10 where an http proxy wants a user, and its page is still written", async () => {
    const proxy = await httpServer((_, response) =>
      response.writeHead(407, { "Proxy-Authenticate": 'Basic realm="x"' }).end("who?\n"),
    );
    const tool = requesting(["http://db.test/", "--proxy", proxy.origin]);
    const { code, stdout } = await tool.ended;
    expect([code, stdout.toString()]).toEqual([10, "who?\n"]);
    expect(tool.all("error")).toMatchObject([
      {
        message: `the proxy ${proxy.origin.slice(7)} does not forward the request: it wants a user and a password (EPROXYAUTH)`,
        code: "EPROXYAUTH",
      },
    ]);
  });

  test("is exit code 10 where the proxy does not connect, or is not there", async () => {
    const { port } = await scriptedProxy("http", (socket) =>
      socket.end("HTTP/1.1 403 Filtered\r\n\r\n"),
    );
    const proxy = `http://127.0.0.1:${String(port)}`;
    const refused = requesting(["https://db.test/", "--proxy", proxy]);
    expect((await refused.ended).code).toBe(10);
    expect(refused.all("error")).toMatchObject([{ code: "EPROXYDENIED" }]);
    const gone = requesting([
      "http://db.test/",
      "--proxy",
      `http://127.0.0.1:${String(await freePort())}`,
    ]);
    expect((await gone.ended).code).toBe(10);
    expect(gone.all("error")).toMatchObject([{ code: "ECONNREFUSED" }]);
  });

  test("follows redirects through the proxy, and asks a socks4 one for no IPv6 address", async () => {
    const proxy = await httpServer(({ url }, response) => {
      if (url === "http://one.test/")
        response.writeHead(302, { Location: "http://two.test/" }).end();
      else response.end(url);
    });
    const followed = await requesting(["http://one.test/", "--follow", "--proxy", proxy.origin])
      .ended;
    expect([followed.code, followed.stdout.toString()]).toEqual([0, "http://two.test/"]);
    const answer = "HTTP/1.1 302 Found\r\nLocation: http://[::1]/\r\nContent-Length: 0\r\n\r\n";
    const { port } = await scriptedProxy("socks4", (socket) =>
      socket.end(Buffer.concat([conversations.socks4.yes, Buffer.from(answer)])),
    );
    const url = `socks4://127.0.0.1:${String(port)}`;
    const tool = requesting(["http://127.0.0.9/", "--follow", "--proxy", url]);
    expect((await tool.ended).code).toBe(10);
    expect(tool.all("error")[0]?.message).toContain("knows no IPv6 addresses");
  });
});

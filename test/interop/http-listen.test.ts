import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { authority, issue } from "../helpers/certificates.ts";
import { content, mebibyte, sha256 } from "../helpers/content.ts";
import { ask, listening } from "../helpers/http-clients.ts";
import { start, testWith, whenListening } from "../helpers/peers.ts";
import { type Running, temporaryFolder } from "../helpers/tool.ts";

const upload = content(32 * mebibyte);

/** Runs curl without a configuration, which has to succeed, and gives what it printed. */
async function curl(...args: string[]): Promise<Buffer> {
  const { code, stdout, stderr } = await start("curl", ["-q", "-sS", ...args], { stdin: "null" })
    .ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout;
}

const url = (port: number, path = "/") => `http://127.0.0.1:${String(port)}${path}`;

function fileOf(bytes: Buffer | string): string {
  const path = join(temporaryFolder(), "upload");
  writeFileSync(path, bytes);
  return path;
}

describe("curl", () => {
  testWith(["curl"], "posts, and gets the answer that was chosen", async () => {
    const flags = ["--status", "201", "--header", "X-From: here", "--body", "thanks\n"];
    const { tool, port } = await listening(...flags);
    const shown = await curl("-i", "-d", "paid=1", url(port, "/hook"));
    expect(shown.toString()).toMatch(/^HTTP\/1.1 201 Created\r\n[^]*X-From: here\r\n[^]*thanks\n$/);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("paid=1") });
    expect(tool.all("request")).toMatchObject([{ method: "POST", target: "/hook" }]);
  });

  testWith(["curl"], "with HTTP/1.0 gets an answer that ends with the connection", async () => {
    const { tool, port } = await listening("--echo");
    const answer = await curl("--http1.0", "-d", "old", url(port));
    expect(JSON.parse(answer.toString())).toMatchObject({ version: "1.0", body: "old" });
    expect((await tool.ended).code).toBe(0);
  });

  testWith(["curl"], "HEAD gets no body, and Expect: 100-continue goes on", async () => {
    const { tool, port } = await listening("-k", "--body", "not for HEAD");
    expect((await curl("-I", url(port))).toString()).toMatch(/Content-Length: 12\r\n/);
    await curl("-H", "Expect: 100-continue", "-d", "waited for", url(port));
    await tool.outputs("waited for");
  });

  testWith(
    ["curl"],
    "uploads 32 MiB, with a length and in chunks, and every byte arrives",
    async () => {
      const file = fileOf(upload.bytes);
      for (const flags of [[], ["-H", "Transfer-Encoding: chunked"]]) {
        const { tool, port } = await listening("--once");
        await curl("-T", file, ...flags, url(port, "/up"));
        const { code, stdout } = await tool.ended;
        expect([code, sha256(stdout)]).toEqual([0, upload.hash]);
        expect(tool.all("response")).toMatchObject([{ received: upload.bytes.length }]);
      }
    },
  );

  testWith(["curl"], "downloads a file, and a part of it, and nothing outside", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "root"));
    writeFileSync(join(folder, "root", "data"), upload.bytes);
    writeFileSync(join(folder, "secret"), "secret");
    const { port } = await listening("-k", "--serve", join(folder, "root"));
    expect(sha256(await curl(url(port, "/data")))).toBe(upload.hash);
    const part = await curl("-r", "1000000-1000099", url(port, "/data"));
    expect(part.equals(upload.bytes.subarray(1_000_000, 1_000_100))).toBe(true);
    const out = await curl("--path-as-is", "-w", "%{http_code}", url(port, "/../secret"));
    expect(out.toString()).toBe("Forbidden\n403");
  });

  testWith(["curl"], "over TLS with the authority of our certificate", async () => {
    const ca = await authority();
    const own = await issue({ by: ca });
    const flags = ["--tls", "--cert", own.certFile, "--key", own.keyFile, "--body", "safe"];
    const { tool, port } = await listening(...flags);
    const place = `https://localhost:${String(port)}/`;
    const answer = await curl("-4", "--cacert", ca.certFile, "-d", "x", place);
    expect(answer.toString()).toBe("safe");
    expect((await tool.ended).code).toBe(0);
    expect(tool.all("connected")[0]?.tls).toMatchObject({ alpn: "http/1.1" });
  });
});

describe("nginx", () => {
  /** nginx with a configuration and a folder of its own, in front of a listener. */
  async function proxy(to: number): Promise<{ nginx: Running; socketPath: string }> {
    const folder = temporaryFolder();
    const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    const paths = places.map((name) => `${name}_temp_path ${folder}/${name};`).join(" ");
    // It cannot let the system choose a port.
    const socketPath = join(folder, "front");
    const config = join(folder, "nginx.conf");
    writeFileSync(
      config,
      `daemon off; master_process off; pid ${folder}/pid; error_log stderr;
events {}
http {
  access_log off; client_max_body_size 64m; ${paths}
  upstream listener { server 127.0.0.1:${String(to)}; keepalive 2; }
  server {
    listen unix:${socketPath};
    location / {
      proxy_pass http://listener;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $remote_addr;
    }
  }
}
`,
    );
    const nginx = start("nginx", ["-c", config, "-p", folder, "-e", "stderr"], { stdin: "null" });
    await whenListening(nginx, { kind: "unix", path: socketPath });
    return { nginx, socketPath };
  }

  testWith(
    ["nginx"],
    "in front of it passes requests on, through connections that it keeps",
    async () => {
      const { tool, port } = await listening("-k", "--echo");
      const { nginx, socketPath } = await proxy(port);
      for (const body of ["one", "two"]) {
        const { status, body: answer } = await ask(0, "/x", {
          socketPath,
          method: "POST",
          body,
        });
        expect(status).toBe(200);
        expect(JSON.parse(answer.toString())).toMatchObject({
          headers: { "X-Forwarded-For": "unix:" },
          body,
        });
      }
      await ask(0, "/up", { socketPath, method: "PUT", body: upload.bytes });
      await tool.until(() => tool.received().length === 6 + upload.bytes.length);
      await tool.event("request", 3);
      const requests = tool.all("request");
      expect(requests.map(({ id }) => id)).toEqual([1, 1, 1]);
      expect(sha256(tool.received().subarray(6))).toBe(upload.hash);
      nginx.child.kill("SIGTERM");
      await nginx.ended;
      tool.child.kill("SIGTERM");
      expect((await tool.ended).code).toBe(143);
      expect(tool.all("error")).toMatchObject([{ code: "SIGTERM" }]);
    },
  );
});

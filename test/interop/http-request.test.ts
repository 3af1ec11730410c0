import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { authority, issue, type Issued } from "../helpers/certificates.ts";
import { content, fileWith, mebibyte, sha256 } from "../helpers/content.ts";
import { freeAddress } from "../helpers/activation.ts";
import { portOf, start, testWith, whenListening } from "../helpers/peers.ts";
import { temporaryFolder, Tool, type StartOptions } from "../helpers/tool.ts";

interface Nginx {
  /** "http://127.1.2.3:41233" */
  readonly origin: string;
  readonly folder: string;
}

/** An nginx of the test's own, in a folder of its own. */
async function nginx(where: { tls?: Issued; path?: string } = {}): Promise<Nginx> {
  const folder = temporaryFolder();
  for (const each of ["root", "dav", "temp"]) mkdirSync(join(folder, each), { mode: 0o777 });
  const { tls, path } = where;
  // It cannot let the system choose a port.
  const { host, port } = await freeAddress();
  const listen =
    path === undefined ? `${host}:${String(port)}${tls ? " ssl" : ""}` : `unix:${path}`;
  const certificate = tls && `ssl_certificate ${tls.certFile}; ssl_certificate_key ${tls.keyFile};`;
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((each) => `${each}_temp_path ${folder}/temp;`)
    .join(" ");
  const config = `
    ${process.getuid?.() === 0 ? "user root;" : ""}
    daemon off; master_process off; worker_processes 1;
    pid ${folder}/pid; error_log stderr warn;
    events { worker_connections 64; }
    http {
      log_format own "$connection $request";
      access_log ${folder}/access own;
      ${temporary}
      server {
        listen ${listen}; ${certificate ?? ""}
        root ${folder}/root; client_max_body_size 0; chunked_transfer_encoding on;
        location /moved { return 301 /file; }
        location /kept { return 307 /dav/kept; }
        location /limited { client_max_body_size 1k; dav_methods PUT; }
        location /ssi { ssi on; ssi_types *; }
        location /dav { root ${folder}; dav_methods PUT DELETE; client_body_in_file_only off; }
      }
    }`;
  writeFileSync(join(folder, "nginx.conf"), config);
  const args = ["-e", "stderr", "-p", folder, "-c", join(folder, "nginx.conf")];
  const server = start("nginx", args);
  if (path !== undefined) {
    await whenListening(server, { kind: "unix", path });
    return { origin: "http://any", folder };
  }
  expect(await portOf(server, "tcp")).toBe(port);
  return { origin: `http${tls ? "s" : ""}://${host}:${String(port)}`, folder };
}

const requesting = (args: readonly string[], options: StartOptions = {}) =>
  new Tool(["http", "request", ...args], { stdin: "null", ...options });

const { bytes, hash } = content(64 * mebibyte);

describe("nginx", () => {
  testWith(["nginx"], "64 MiB come by hash, and a part of them with a header", async () => {
    const { origin, folder } = await nginx();
    writeFileSync(join(folder, "root/file"), bytes);
    const whole = requesting([`${origin}/file`]);
    const { code, stdout } = await whole.ended;
    expect([code, sha256(stdout)]).toEqual([0, hash]);
    expect(whole.all("response")[0]).toMatchObject({ status: 200, version: "1.1" });
    const part = requesting([`${origin}/file`, "-H", "Range: bytes=1000-1999"]);
    expect(sha256((await part.ended).stdout)).toBe(sha256(bytes.subarray(1000, 2000)));
    expect(part.all("response")).toMatchObject([{ status: 206 }]);
  });

  testWith(["nginx"], "64 MiB go by hash, with their length and in chunks", async () => {
    const { origin, folder } = await nginx();
    const path = join(folder, "upload");
    writeFileSync(path, bytes);
    for (const [name, data, stdin] of [
      ["named", `@${path}`, "null"],
      ["file", "-", fileWith(bytes)],
      ["pipe", "-", "pipe"],
    ] as const) {
      const tool = requesting(["-X", "PUT", `${origin}/dav/${name}`, "-d", data], { stdin });
      if (stdin === "pipe") tool.stdin.end(bytes);
      expect((await tool.ended).code).toBe(0);
      expect(tool.all("response")).toMatchObject([{ status: 201 }]);
      expect(tool.all("closed")).toMatchObject([{ sent: bytes.length }]);
      expect(sha256(readFileSync(join(folder, "dav", name)))).toBe(hash);
    }
    expect((await requesting(["-X", "DELETE", `${origin}/dav/pipe`]).ended).code).toBe(0);
    expect((await requesting([`${origin}/dav/pipe`, "--fail"]).ended).code).toBe(11);
  });

  testWith(
    ["nginx"],
    "redirects are followed over one connection, with the body where it belongs",
    async () => {
      const { origin, folder } = await nginx();
      writeFileSync(join(folder, "root/file"), "here");
      const tool = requesting([`${origin}/moved`, "--follow"]);
      expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("here") });
      expect(tool.all("connected")).toHaveLength(1);
      const put = requesting([`${origin}/kept`, "--follow", "-X", "PUT", "-d", "body"]);
      expect((await put.ended).code).toBe(0);
      expect(readFileSync(join(folder, "dav/kept"), "utf8")).toBe("body");
      const connections = readFileSync(join(folder, "access"), "utf8").trim().split("\n");
      expect(new Set(connections.map((line) => line.split(" ")[0])).size).toBe(2);
    },
  );

  testWith(["nginx"], "an answer in chunks is whole, and 404 is 11 with --fail alone", async () => {
    const { origin, folder } = await nginx();
    mkdirSync(join(folder, "root/ssi"));
    writeFileSync(join(folder, "root/ssi/page"), '<!--# echo var="request_method" -->!');
    const chunked = requesting([`${origin}/ssi/page`]);
    expect((await chunked.ended).stdout.toString()).toBe("GET!");
    expect(chunked.all("response")[0]?.headers).toContainEqual(["Transfer-Encoding", "chunked"]);
    expect((await requesting([`${origin}/none`]).ended).code).toBe(0);
    const failed = await requesting([`${origin}/none`, "--fail"]).ended;
    expect(failed.code).toBe(11);
    expect(failed.stdout.toString()).toContain("404 Not Found");
  });

  testWith(["nginx"], "a body that is too large is refused, and the answer shown", async () => {
    const { origin } = await nginx();
    const tool = requesting(["-X", "PUT", `${origin}/limited`, "-d", "-"], {
      stdin: fileWith(bytes),
    });
    const { code, stdout } = await tool.ended;
    expect(stdout.toString()).toContain("413 Request Entity Too Large");
    expect(tool.all("response")).toMatchObject([{ status: 413 }]);
    expect(code).toBe(8);
  });

  testWith(["nginx"], "Expect: 100-continue is answered before the body goes", async () => {
    const { origin } = await nginx();
    const flags = ["-H", "Expect: 100-continue", "-d", "body"];
    const tool = requesting(["-X", "PUT", `${origin}/dav/x`, ...flags]);
    expect((await tool.ended).code).toBe(0);
    expect(tool.all("response").map(({ status }) => status)).toEqual([100, 201]);
  });

  testWith(["nginx"], "64 MiB each way over TLS, verified", async () => {
    const ca = await authority();
    const { origin, folder } = await nginx({ tls: await issue({ by: ca }) });
    const trust = ["--ca", ca.certFile, "--servername", "localhost"];
    const put = requesting(["-X", "PUT", `${origin}/dav/x`, "-d", "-", ...trust], {
      stdin: fileWith(bytes),
    });
    expect((await put.ended).code).toBe(0);
    expect(sha256(readFileSync(join(folder, "dav/x")))).toBe(hash);
    const get = requesting([`${origin}/dav/x`, ...trust]);
    const { code, stdout } = await get.ended;
    expect([code, sha256(stdout)]).toEqual([0, hash]);
    expect(get.all("connected")[0]?.tls).toMatchObject({ alpn: "http/1.1", authorized: true });
    expect((await requesting([`${origin}/dav/x`]).ended).code).toBe(9);
    const plain = origin.replace("https:", "http:");
    const wrong = await requesting([plain]).ended;
    expect(wrong.stdout.toString()).toContain("plain HTTP request was sent to HTTPS port");
  });

  testWith(["nginx"], "a UNIX socket is listened on as well", async () => {
    const path = join(temporaryFolder(), "socket");
    const { folder } = await nginx({ path });
    writeFileSync(join(folder, "root/file"), "here");
    const tool = requesting(["http://any/moved", "--follow", "--unix", path]);
    expect(await tool.ended).toMatchObject({ code: 0, stdout: Buffer.from("here") });
  });
});

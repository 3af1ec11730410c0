import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { httpServer } from "../helpers/http-servers.ts";
import { blocksOf } from "../helpers/readme.ts";
import { freePort, startServer } from "../helpers/sockets.ts";
import { bin, Running, temporaryFolder } from "../helpers/tool.ts";

/** What the README says, with ports of our own in the place of those that it names. */
function recipe(language: string, word: string, ports: Record<string, number> = {}): string {
  const found = blocksOf(language).find((block) => block.includes(word));
  if (found === undefined) throw new Error(`the README has no ${language} with ${word}`);
  return Object.entries(ports).reduce(
    (text, [port, own]) => text.replaceAll(`:${port}`, `:${String(own)}`),
    found,
  );
}

const server = `require("node:http")
  .createServer((request, response) => response.end("hello"))
  .listen(process.env.PORT, () => console.log("listens on", process.env.PORT));`;

/** A project that has portcat among its dependencies, and these files. */
function projectWith(files: Record<string, string>): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "node_modules/.bin"), { recursive: true });
  const shim = join(folder, "node_modules/.bin/portcat");
  writeFileSync(shim, `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n`);
  chmodSync(shim, 0o755);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

const run = (script: string, cwd: string, env: Record<string, string> = {}) =>
  new Running("sh", ["-ec", script], {
    cwd,
    env: { PATH: `${join(cwd, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`, ...env },
    stdin: "null",
  });

const isUp = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    onTestFinished(() => void socket.destroy());
  });

describe.skipIf(process.platform === "win32")("what the README tells for CI works:", () => {
  test.each([
    [
      0,
      "fetch(`http://localhost:${process.env.PORT}`).then((answer) => process.exit(answer.ok ? 0 : 1))",
    ],
    [5, "console.log('port', process.env.PORT); process.exit(5)"],
  ])(
    "npm test starts a server, waits for it, and stops it, and ends with %d",
    async (code, tests) => {
      const { scripts } = JSON.parse(recipe("json", "portcat")) as {
        scripts: Record<string, string>;
      };
      const manifest = JSON.stringify({ scripts: { ...scripts, "test:run": "node tests.js" } });
      const project = { "package.json": manifest, "server.js": server, "tests.js": tests };
      const npm = run("npm test --silent", projectWith(project));
      const ended = await npm.ended;
      expect(ended.code).toBe(code);
      const port = Number(/listens on (\d+)/.exec(ended.stdout.toString())?.[1]);
      expect(port).toBeGreaterThan(0);
      expect(await isUp(port)).toBe(false);
    },
  );

  test("the steps of a workflow go on when what they have started is ready", async () => {
    const port = await freePort();
    const database = await startServer();
    const steps = recipe("yaml", "npx portcat", { 3000: port, 5432: database.port })
      .trim()
      .split("\n")
      .map((line) => line.replace(/^- run: /, ""));
    const manifest = {
      scripts: { start: "node server.js", test: "echo tested" },
      name: "x",
      version: "1.0.0",
    };
    const lock = { name: "x", version: "1.0.0", lockfileVersion: 3, packages: {} };
    const project = projectWith({
      "package.json": JSON.stringify(manifest),
      "package-lock.json": JSON.stringify(lock),
      "server.js": server,
    });
    // npm ci would take away what is not in the lock file, which has no portcat here.
    const script = steps.join("\n").replace("npm ci", "true");
    const workflow = run(`${script}\nkill $(cat pid)`, project, { PORT: String(port) });
    writeFileSync(
      join(project, "server.js"),
      `${server}\nrequire("node:fs").writeFileSync("pid", String(process.pid));`,
    );
    const { code, stdout } = await workflow.ended;
    expect(stdout.toString()).toContain("tested");
    expect(code).toBe(0);
    expect(await isUp(port)).toBe(false);
  });

  test("a health check of Docker's is 0 while the server answers, and another code when it does not", async () => {
    const { server, origin } = await httpServer((_, response) => void response.end());
    const port = Number(new URL(origin).port);
    const [, check = ""] =
      /^HEALTHCHECK .*? CMD (.*)$/m.exec(recipe("dockerfile", "portcat", { 3000: port })) ?? [];
    const folder = projectWith({});
    const healthy = await run(check, folder).ended;
    expect(healthy).toMatchObject({ code: 0, stderr: "" });
    server.closeAllConnections();
    server.close();
    const unhealthy = await run(check, folder).ended;
    expect(unhealthy.code).toBe(5);
    expect(unhealthy.stderr).toContain("connection refused");
  });

  test("a service of docker compose starts when the one that it needs is ready", async () => {
    const { port } = await startServer();
    const [, command = ""] =
      /^ +command: (.*)$/m.exec(recipe("yaml", "services:", { 5432: port })) ?? [];
    const own = await freePort();
    const folder = projectWith({ "server.js": server });
    const service = run(`exec ${command.replace("tcp:db:", "tcp:localhost:")}`, folder, {
      PORT: String(own),
    });
    await service.outputs("listens");
    expect(await isUp(own)).toBe(true);
    // As Docker stops it.
    service.child.kill("SIGTERM");
    expect((await service.ended).code).toBe(143);
    expect(await isUp(own)).toBe(false);
  });
});

import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Event } from "../../src/events.ts";
import { fullListener } from "../helpers/full-listener.ts";
import { eventFields, isEvent } from "../helpers/event-schema.ts";
import { ask, listening, raw } from "../helpers/http-clients.ts";
import { connectPeer, startServer } from "../helpers/sockets.ts";
import { temporaryFolder, Tool } from "../helpers/tool.ts";

/** The schema itself has to be able to say no. */
test("an event with a field too many, too few or of a wrong type is none", () => {
  const good = { event: "datagram", from: { address: "::1", port: 1 }, bytes: 0 };
  expect(isEvent(good)).toBe(true);
  expect(isEvent({ ...good, more: 1 })).toBe(false);
  expect(isEvent({ ...good, bytes: "0" })).toBe(false);
  expect(isEvent({ ...good, event: "datagrams" })).toBe(false);
  expect(isEvent({ event: "datagram", bytes: 0 })).toBe(false);
  expect(isEvent({ ...good, from: { address: "::1" } })).toBe(false);
  expect(isEvent({ event: "listening", transport: "unix", path: "/x" })).toBe(true);
  expect(isEvent({ event: "listening", transport: "tcp", path: "/x" })).toBe(false);
  expect(isEvent({ event: "error", message: "", code: null, exitCode: 1 })).toBe(false);
  expect(isEvent({ event: "resolved", name: "x", addresses: ["::1", 5] })).toBe(false);
  const request = { event: "request", id: 1, peer: "", method: "GET", target: "/", version: "1.1" };
  expect(isEvent({ ...request, headers: [["Host", "x"]] })).toBe(true);
  expect(isEvent({ ...request, headers: [["Host"]] })).toBe(false);
  expect(isEvent({ ...request, headers: [["Host", 1]] })).toBe(false);
  const response = { event: "response", id: 1, peer: "", status: 200, reason: "" };
  expect(isEvent({ ...response, headers: [["A", "b"]] })).toBe(true);
  expect(isEvent({ ...response, headers: [["A", "b", "c"]] })).toBe(false);
  expect(isEvent({ ...response, headers: [["A", 1]] })).toBe(false);
});

type Emitted = Event & { time: string };

/** A conversation over TCP with everything that can be told. */
async function talkOverTcp(): Promise<Tool[]> {
  const listener = new Tool(["tcp", "listen", "--local", "0", "-v", "--hex"]);
  const port = String(await listener.port());
  const client = new Tool(["tcp", "connect", "localhost", port, "-4", "-v", "--hex", "--no-delay"]);
  client.stdin.end("question");
  listener.stdin.end("answer");
  await Promise.all([listener.ended, client.ended]);
  return [listener, client];
}

async function talkOverUnix(): Promise<Tool[]> {
  if (process.platform === "win32") return [];
  const path = join(temporaryFolder(), "socket");
  const listener = new Tool(["unix", "listen", path, "-v"]);
  await listener.event("listening");
  const client = new Tool(["unix", "connect", path, "-v"]);
  client.stdin.end("question");
  listener.stdin.end();
  await Promise.all([listener.ended, client.ended]);
  return [listener, client];
}

async function talkOverUdp(): Promise<Tool[]> {
  const bound = new Tool(["udp", "bind", "127.0.0.1", "0", "--count", "1", "-v", "--hex"]);
  const sender = new Tool(["udp", "send", "127.0.0.1", String(await bound.port()), "-v"]);
  // A pipe that stays open is waited for, which is worth a warning.
  sender.stdin.write("late");
  await sender.event("warning");
  sender.stdin.end();
  bound.stdin.end();
  await Promise.all([bound.ended, sender.ended]);
  return [bound, sender];
}

/** A request that is led on to another. */
async function requestOverHttp(): Promise<Tool[]> {
  const server = createServer((request, response) => {
    if (request.url === "/") response.writeHead(302, { Location: "/there" });
    response.end("answer");
  });
  onTestFinished(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const url = `127.0.0.1:${String(port)}`;
  const tool = new Tool(["http", "request", url, "--follow", "-v"], { stdin: "null" });
  await tool.ended;
  return [tool];
}

async function failToConnect(): Promise<Tool[]> {
  const { server, port } = await startServer();
  await new Promise((resolve) => server.close(resolve));
  const place = `127.0.0.1:${String(port)}`;
  const tool = new Tool(["tcp", "connect", place, "--retry", "1", "--retry-interval", "10ms"]);
  await tool.ended;
  return [tool];
}

/** Clients that are turned away, that reset, and that are there when a signal comes. */
async function serveTrouble(): Promise<Tool[]> {
  const tool = new Tool(["tcp", "listen", "127.0.0.1", "0", "-k", "-m", "1"]);
  const place = { port: await tool.port(), host: "127.0.0.1" };
  const first = await connectPeer(place);
  await tool.event("connected");
  const second = await connectPeer(place);
  await tool.event("refused");
  await second.ended;
  first.socket.resetAndDestroy();
  await tool.event("closed");
  await connectPeer(place);
  await tool.event("connected", 2);
  tool.child.kill("SIGTERM");
  await tool.ended;
  return [tool];
}

/** A request that is answered, and one that is none. */
async function serveHttp(): Promise<Tool[]> {
  const { tool, port } = await listening("-k");
  await ask(port);
  const client = await raw(port, "garbage\r\n\r\n");
  await client.ended;
  await tool.event("error");
  tool.child.kill("SIGTERM");
  await tool.ended;
  return [tool];
}

/** A scan of a port that keeps silent for longer than it takes to tell the progress. */
async function scanPorts(): Promise<Tool[]> {
  const tool = new Tool(["scan", "127.0.0.1", String(await fullListener()), "-w", "1s", "-v"]);
  await tool.ended;
  return [tool];
}

async function waitForTargets(): Promise<Tool[]> {
  const { port } = await startServer();
  const targets = [`127.0.0.1:${String(port)}`, "nowhere.invalid:80"];
  const tools = targets.map((target) => new Tool(["wait", target, "--timeout", "300ms"]));
  await Promise.all(tools.map((tool) => tool.ended));
  return tools;
}

async function misuse(): Promise<Tool[]> {
  const tool = new Tool(["tcp", "connect", "127.0.0.1", "99999"]);
  onTestFinished(() => void tool.child.kill());
  await tool.ended;
  return [tool];
}

test("what real runs emit is what the schema says, and every kind of event is among it", async () => {
  const runs = [
    talkOverTcp,
    talkOverUnix,
    talkOverUdp,
    requestOverHttp,
    failToConnect,
    serveTrouble,
    serveHttp,
    scanPorts,
    waitForTargets,
    misuse,
  ];
  const tools = (await Promise.all(runs.map((run) => run()))).flat();
  const emitted = tools.flatMap((tool) => tool.events() as Emitted[]);
  const wrong = emitted.filter(({ time, ...event }) => {
    return !(isEvent(event) && new Date(time).toISOString() === time);
  });
  expect(wrong).toEqual([]);
  expect(new Set(emitted.map(({ event }) => event))).toEqual(new Set(eventFields.keys()));
  for (const tool of tools) {
    const times = tool.events().map(({ time }) => time);
    expect(times).toEqual(times.toSorted());
  }
});

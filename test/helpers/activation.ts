import { createServer } from "node:net";
import { once } from "node:events";
import { start } from "./peers.ts";
import { bin, type Running } from "./tool.ts";

/** An address for systemd-socket-activate, which cannot let the system choose a port. */
export async function freeAddress(): Promise<{ host: string; port: number }> {
  // Of 127.0.0.0/8 one that nobody else on this machine is likely to use, so that the port stays free.
  const byte = () => 1 + Math.floor(Math.random() * 254);
  const host = `127.${String(byte())}.${String(byte())}.${String(byte())}`;
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const address = server.address();
  server.close();
  return { host, port: typeof address === "object" && address !== null ? address.port : 0 };
}

/** systemd-socket-activate with portcat as the program that it starts when somebody connects. */
export async function activate(
  flags: readonly string[],
  address: string,
  args: readonly string[],
): Promise<Running> {
  const command = ["--", process.execPath, bin, ...args, "--json"];
  const running = start("systemd-socket-activate", [...flags, "-l", address, ...command]);
  await running.says(/^Listening on /m);
  return running;
}

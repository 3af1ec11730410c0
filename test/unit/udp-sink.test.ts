import { expect, test, vi } from "vitest";
import { UdpSink } from "../../src/endpoints/udp.ts";
import { udpPeer } from "../helpers/datagrams.ts";
import { turns } from "../helpers/memory.ts";

test("a sink that is closed lets go of what waits, and is not disturbed by what is on its way", async () => {
  const [from, to] = [await udpPeer(), await udpPeer()];
  const refused = vi.fn(() => undefined);
  const done = vi.fn();
  const destination = () => ({ address: "127.0.0.1", port: to.port });
  const sink = new UdpSink(from.socket, { destination, refused, done });
  const release = vi.fn();
  const [finished, failed] = [vi.fn(), vi.fn()];
  sink.open(finished, failed);
  // More than may be on their way at a time, which are 64.
  for (let n = 0; n < 100; n++) sink.write({ bytes: Buffer.from(String(n)), release });
  expect(release).not.toHaveBeenCalled();
  sink.end();
  sink.close();
  expect(release).toHaveBeenCalledTimes(36);
  await from.close();
  await turns(10);
  const late = vi.fn();
  sink.write({ bytes: Buffer.from("late"), release: late });
  expect(late).toHaveBeenCalledOnce();
  for (const told of [finished, failed, done, refused]) expect(told).not.toHaveBeenCalled();
});

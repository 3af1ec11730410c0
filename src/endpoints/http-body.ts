import type { IncomingMessage } from "node:http";
import type { Body, BodyWriter } from "../flow/body-writer.ts";
import { GatheredBytes } from "../flow/gathered-bytes.ts";

/** What a request's body is counted in, while it is read. */
export interface BodyProgress {
  readonly request: IncomingMessage;
  received: number;
  /** It is us that the client waits for. */
  waits: boolean;
}

/**
 * Reads a request's body, and writes it. Resolves once it is written, as far as it came.
 *
 * @param mostKept - of how many bytes it is to be kept, too
 * @returns what was kept, undefined for a longer one, and whether all that came is written
 */
export async function receiveBody(
  progress: BodyProgress,
  bodies: BodyWriter,
  mostKept: number,
): Promise<{ bytes: Buffer | undefined; written: boolean }> {
  const { request } = progress;
  const kept = new GatheredBytes();
  let body: Body | undefined;
  const begun = (): Body => {
    const body = bodies.begin(lengthOf(request));
    body.onRoom = () => {
      progress.waits = false;
      request.resume();
    };
    return body;
  };
  const take = (chunk: Buffer): boolean => {
    progress.received += chunk.length;
    if (progress.received <= mostKept) kept.add(chunk);
    else kept.take();
    body ??= begun();
    return body.write(chunk);
  };
  request.on("data", (chunk: Buffer) => {
    if (take(chunk)) return;
    progress.waits = true;
    request.pause();
  });
  request.on("error", () => undefined);
  if (!request.closed)
    await new Promise<void>((resolve) => {
      request.once("end", resolve);
      request.once("close", resolve);
    });
  // What had arrived, and waited for room, when the connection broke.
  request.removeAllListeners("data");
  for (let rest = read(request); rest !== null; rest = read(request)) take(rest);
  progress.waits = true;
  body?.end();
  const written = body === undefined || (await body.written);
  progress.waits = false;
  return { bytes: progress.received <= mostKept ? kept.take() : undefined, written };
}

function read(request: IncomingMessage): Buffer | null {
  return request.read() as Buffer | null;
}

function lengthOf({ headers }: IncomingMessage): number | undefined {
  const length = headers["content-length"];
  return length === undefined ? undefined : Number(length);
}

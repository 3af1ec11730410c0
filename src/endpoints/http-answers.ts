import { createReadStream } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import { contentType } from "mime-types";
import { systemError } from "../errors.ts";
import { plainAddress } from "./connection.ts";
import type { Answer } from "./http-connection.ts";
import { answerShortly, type CountedResponse } from "./http-response.ts";
import { headerPairs, utf8 } from "./http-text.ts";

export type Header = readonly [name: string, value: string];

/** What every answer has, whatever it is made of. */
export interface Reply {
  readonly status: number;
  readonly headers: readonly Header[];
}

/** Sets the headers of a reply, and of these the ones that it does not have. */
export function setHeaders(
  response: CountedResponse,
  headers: readonly Header[],
  unlessGiven: readonly Header[] = [],
): void {
  for (const [name, value] of headers) response.appendHeader(name, value);
  for (const [name, value] of unlessGiven)
    if (!response.hasHeader(name)) response.setHeader(name, value);
}

/** Answers every request with the same bytes. */
export function textAnswer({ status, headers }: Reply, text: string): Answer {
  const bytes = Buffer.from(text);
  const type: Header[] = text === "" ? [] : [["Content-Type", "text/plain; charset=utf-8"]];
  return {
    bodyBytes: 0,
    send: (_, response) => {
      response.statusCode = status;
      setHeaders(response, headers, type);
      sendBytes(response, bytes);
    },
  };
}

/** Answers every request with what is in a file then. */
export function fileAnswer({ status, headers }: Reply, path: string): Answer {
  const type = contentType(basename(path)) || "application/octet-stream";
  return {
    bodyBytes: 0,
    send: async (_, response) => {
      response.statusCode = status;
      await sendFile(response, path, () => setHeaders(response, headers, [["Content-Type", type]]));
    },
  };
}

/** 204 (No Content) and 304 (Not Modified) have not even a length of nothing (RFC 9110, section 8.6). */
function sendBytes(response: CountedResponse, bytes: Buffer): void {
  if (response.statusCode !== 204 && response.statusCode !== 304)
    response.setHeader("Content-Length", bytes.length);
  response.end(bytes);
}

/** @param begin - sets the headers, once the file is open */
async function sendFile(response: CountedResponse, path: string, begin: () => void): Promise<void> {
  const file = await openFile(path).catch((error: unknown) => {
    throw systemError(`cannot read ${path}`, error);
  });
  try {
    const stats = await file.stat();
    begin();
    // What is no regular file tells no size, and one of the system's own may tell 0: both are sent
    // in chunks, to their end.
    const size = stats.isFile() && stats.size > 0 ? stats.size : undefined;
    if (size !== undefined) response.setHeader("Content-Length", size);
    if (response.req.method === "HEAD") return void response.end();
    const bounds = size === undefined ? {} : { end: size - 1 };
    await pipeline(createReadStream(path, { fd: file, ...bounds }), response).catch(
      (error: unknown) => {
        // A client that left is told of where its connection ends.
        if ((error as NodeJS.ErrnoException).syscall === "read")
          throw systemError(`cannot read ${path}`, error);
      },
    );
  } finally {
    await file.close();
  }
}

/** Opens what can be read at once: a pipe without a writer would hold up more than one answer. */
async function openFile(path: string): Promise<FileHandle> {
  const stats = await stat(path);
  if (stats.isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" });
  if (stats.isFIFO()) throw new Error("it is a pipe");
  return open(path);
}

/** What a request may have to be shown again: many clients at once have so much each, some times over. */
const mostEchoedBytes = 1 << 20;

/** Answers with the request itself, as JSON. */
export function echoAnswer({ status, headers }: Reply): Answer {
  return {
    bodyBytes: mostEchoedBytes,
    send: (request, response, body) => {
      if (body === undefined) return answerShortly(response, 413, "a body is echoed up to 1 MiB");
      response.statusCode = status;
      setHeaders(response, headers, [["Content-Type", "application/json; charset=utf-8"]]);
      sendBytes(response, Buffer.from(`${JSON.stringify(described(request, body), null, 2)}\n`));
    },
  };
}

function described(request: IncomingMessage, body: Buffer) {
  const { method, url: target = "", httpVersion, rawHeaders, socket } = request;
  const scheme = "encrypted" in socket ? "https" : "http";
  const isWhole = !target.startsWith("/");
  const url = isWhole ? target : `${scheme}://${request.headers.host ?? ""}${target}`;
  const [, path = "", query = ""] =
    /^(?:[a-z][a-z\d+.-]*:\/\/[^/?]*)?([^?]*)\??(.*)$/is.exec(target) ?? [];
  return {
    method,
    url,
    path,
    args: grouped([...new URLSearchParams(query)]),
    headers: grouped(headerPairs(rawHeaders)),
    version: httpVersion,
    origin: plainAddress(socket.remoteAddress ?? ""),
    ...inText(body),
  };
}

/** Names with their values: one, or a list where the name comes more than once. */
function grouped(entries: readonly (readonly [name: string, value: string])[]) {
  const groups = new Map<string, string[]>();
  for (const [name, value] of entries) groups.set(name, [...(groups.get(name) ?? []), value]);
  return Object.fromEntries(
    [...groups].map(([name, values]) => [name, values.length === 1 ? values[0] : values]),
  );
}

/** A body as the text that it is, or else in base64, and which of the two. */
function inText(body: Buffer): { body: string; bodyEncoding: "utf-8" | "base64" } {
  const text = utf8(body);
  if (text !== undefined) return { body: text, bodyEncoding: "utf-8" };
  return { body: body.toString("base64"), bodyEncoding: "base64" };
}

import type { Stats } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { STATUS_CODES } from "node:http";
import { isAbsolute, join, relative, sep } from "node:path";
import send from "send";
import { codeOf } from "../errors.ts";
import { type Header, setHeaders } from "./http-answers.ts";
import type { Answer } from "./http-connection.ts";
import { answerShortly, type CountedResponse } from "./http-response.ts";

/** What a request's target leads to. */
export type Found =
  | { readonly status: 400 | 403 | 404 }
  /** A folder, whose links would lead elsewhere without the slash at its end. */
  | { readonly location: string }
  /** A file, as a path below the folder, without a link on the way. */
  | { readonly path: string };

/**
 * Answers with the files of a folder: regular ones, none whose name or folder begins with a dot, and
 * none outside of it, wherever a link leads.
 */
export async function folderAnswer(folder: string, headers: readonly Header[]): Promise<Answer> {
  const root = await realpath(folder);
  return {
    bodyBytes: 0,
    send: async (request, response) => {
      if (request.method !== "GET" && request.method !== "HEAD")
        return answerShortly(response, 405, "only GET and HEAD", [["Allow", "GET, HEAD"]]);
      const found = await locate(root, request.url ?? "");
      if ("status" in found) return answerShortly(response, found.status, nameOf(found.status));
      if ("location" in found)
        return answerShortly(response, 301, "Moved Permanently", [["Location", found.location]]);
      setHeaders(response, headers);
      const path = found.path.split(sep).map(encodeURIComponent).join("/");
      send(request, path, { root, dotfiles: "ignore", index: false })
        .on("error", (error: SendError) => refuse(response, error))
        .pipe(response);
    },
  };
}

const nameOf = (status: number) => STATUS_CODES[status] ?? "";

interface SendError extends Error {
  readonly status?: number;
  readonly headers?: Record<string, string>;
}

function refuse(response: CountedResponse, error: SendError): void {
  if (response.headersSent) return void response.destroy(error);
  const status = statusOf(error) ?? error.status ?? 500;
  answerShortly(response, status, nameOf(status), Object.entries(error.headers ?? {}));
}

/**
 * Finds what the target of a request means in a folder, whose path has no link in it.
 *
 * @param target - as in the request line
 */
export async function locate(root: string, target: string): Promise<Found> {
  const pathname = pathOf(target);
  const name = pathname === undefined ? undefined : decoded(pathname);
  if (pathname === undefined || name === undefined || name.includes("\0")) return { status: 400 };
  // A backslash is a separator on some systems, and a slash in disguise to some servers.
  const parts = name.split(/[/\\]/);
  if (name.includes("\\") || parts.includes("..")) return { status: 403 };
  if (isHidden(parts)) return { status: 404 };
  try {
    const isFolder = name.endsWith("/");
    let there = await follow(root, join(root, name));
    if (there?.stats.isDirectory()) {
      if (!isFolder) return { location: withSlash(pathname, target) };
      there = await follow(root, join(there.path, "index.html"));
    } else if (isFolder) return { status: 404 };
    // Opening a pipe would wait for its writer.
    if (!there?.stats.isFile()) return { status: 404 };
    return { path: relative(root, there.path) };
  } catch (error) {
    const status = statusOf(error);
    if (status === undefined) throw error;
    return { status };
  }
}

/** What a path that cannot be looked at means to a client; undefined where the fault is ours. */
function statusOf(error: unknown): 403 | 404 | undefined {
  const code = codeOf(error);
  if (code === "EACCES" || code === "EPERM") return 403;
  return ["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"].includes(code) ? 404 : undefined;
}

/** Where a path leads, through links; undefined for what is outside, or hidden. */
async function follow(
  root: string,
  path: string,
): Promise<{ path: string; stats: Stats } | undefined> {
  const real = await realpath(path);
  const below = relative(root, real);
  const outside = isAbsolute(below) || below.split(sep)[0] === "..";
  if (outside || isHidden(below.split(sep))) return undefined;
  return { path: real, stats: await stat(real) };
}

const isHidden = (parts: readonly string[]) => parts.some((part) => part.startsWith("."));

/** The path of a target: "/a?b" and "http://host/a?b" both have "/a". */
function pathOf(target: string): string | undefined {
  const [, path] = /^(?:https?:\/\/[^/?#]*)?(\/[^?#]*)/i.exec(target) ?? [];
  return path;
}

function decoded(pathname: string): string | undefined {
  try {
    return decodeURIComponent(pathname);
  } catch {
    return undefined;
  }
}

/** "//host" would be another server's. */
function withSlash(pathname: string, target: string): string {
  const query = /\?[^#]*/.exec(target)?.[0] ?? "";
  return `${pathname.replace(/^\/+/, "/")}/${query}`;
}

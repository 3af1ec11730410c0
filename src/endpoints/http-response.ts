import { ServerResponse } from "node:http";
import { ExitCode, PortcatError } from "../errors.ts";

/** An answer that counts the bytes of its body, and that does not pass for whole where it has become shorter. */
export class CountedResponse extends ServerResponse {
  bodyBytes = 0;

  override write(chunk: unknown, ...rest: unknown[]): boolean {
    this.#count(chunk);
    return super.write(chunk, ...(rest as []));
  }

  override end(...given: unknown[]): this {
    this.#count(given[0]);
    const promised = Number(this.getHeader("content-length") ?? 0);
    if (this.#hasBody && this.bodyBytes < promised)
      return this.destroy(becameShorter(this.bodyBytes, promised));
    return super.end(...(given as []));
  }

  /** Neither an answer to HEAD nor these have one (RFC 9110, section 6.4.1). */
  get #hasBody(): boolean {
    const { method } = this.req;
    return method !== "HEAD" && this.statusCode !== 204 && this.statusCode !== 304;
  }

  #count(chunk: unknown): void {
    if (!this.#hasBody) return;
    if (typeof chunk === "string") this.bodyBytes += Buffer.byteLength(chunk);
    else if (chunk instanceof Uint8Array) this.bodyBytes += chunk.length;
  }
}

function becameShorter(bytes: number, promised: number): PortcatError {
  return new PortcatError(
    `what was being sent has become shorter: ${String(bytes)} of ${String(promised)} bytes (ESHORT)`,
    { exitCode: ExitCode.failure, code: "ESHORT" },
  );
}

/** What comes before the body of an answer. */
export interface AnswerHead {
  readonly status: number;
  readonly reason: string;
  readonly headers: [name: string, value: string][];
}

/** What was sent before the body. */
export function headOf(response: ServerResponse): AnswerHead {
  return {
    status: response.statusCode,
    reason: response.statusMessage,
    headers: Object.entries(response.getHeaders()).flatMap(([name, values]) =>
      [values ?? []].flat().map((value): [string, string] => [name, String(value)]),
    ),
  };
}

/** Answers in a line of text. */
export function answerShortly(
  response: ServerResponse,
  status: number,
  text: string,
  headers: readonly (readonly [name: string, value: string])[] = [],
): void {
  for (const name of response.getHeaderNames())
    if (name !== "connection") response.removeHeader(name);
  for (const [name, value] of headers) response.setHeader(name, value);
  const bytes = Buffer.from(`${text}\n`);
  response.statusCode = status;
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.setHeader("Content-Length", bytes.length);
  response.end(bytes);
}

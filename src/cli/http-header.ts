import { usageError } from "../errors.ts";

/** A header as typed, its value as the bytes of UTF-8 that Node sends of it. */
export type TypedHeader = readonly [name: string, value: string];

/** What says where a body ends follows from the body; only that it goes in chunks can be asked for. */
const framing = /^(content-length|trailer|transfer-encoding)$/i;

/**
 * Reads "Name: value" (RFC 9110, section 5).
 *
 * @throws PortcatError (exit code 2) that does not tell the value, which may be a secret
 */
export function parseHeader(text: string): TypedHeader {
  const { validateHeaderName, validateHeaderValue } = process.getBuiltinModule("node:http");
  const [, name = "", typed = ""] = /^([^:]*):[ \t]*(.*?)[ \t]*$/s.exec(text) ?? [];
  const value = Buffer.from(typed).toString("latin1");
  try {
    validateHeaderName(name);
  } catch {
    throw usageError("--header is not valid: expected a header such as 'Name: value'");
  }
  try {
    validateHeaderValue(name, value);
  } catch {
    throw usageError(`--header ${name} is not valid: its value has a character that none can have`);
  }
  const inChunks = name.toLowerCase() === "transfer-encoding" && value.toLowerCase() === "chunked";
  if (framing.test(name) && !inChunks)
    throw usageError(`--header ${name} follows from the body, and cannot be given`);
  return [name, value];
}

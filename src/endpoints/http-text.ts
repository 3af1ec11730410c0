const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What a peer sent, which Node reads as Latin-1, as the UTF-8 that it may be. */
export function asText(latin1: string): string {
  if (!/[\x80-\xff]/.test(latin1)) return latin1;
  return utf8(Buffer.from(latin1, "latin1")) ?? latin1;
}

/** Bytes as the text that they are, or undefined. */
export function utf8(bytes: Buffer): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Node's flat list of headers, as they were sent, two by two. */
export function headerPairs(rawHeaders: readonly string[]): [name: string, value: string][] {
  return Array.from({ length: rawHeaders.length / 2 }, (_, i) => [
    rawHeaders[2 * i] ?? "",
    asText(rawHeaders[2 * i + 1] ?? ""),
  ]);
}

/**
 * 4 or 6 for a numeric address of that version, as it is typed or resolved, else 0: net.isIP
 * without the milliseconds in which Node compiles its expression for IPv6, or loads node:net, where
 * the text cannot be such an address.
 */
export function isIP(text: string): 0 | 4 | 6 {
  if (!text.includes(":") && !/^\d+\.[\d.]+$/.test(text)) return 0;
  return process.getBuiltinModule("node:net").isIP(text) as 0 | 4 | 6;
}

/** A name with other letters as DNS has it (RFC 5890): "xn--bcher-kva.test"; "" where it cannot have it. */
export function asciiName(name: string): string {
  if (/^[\x21-\x7e]*$/.test(name)) return name;
  return process.getBuiltinModule("node:url").domainToASCII(name);
}

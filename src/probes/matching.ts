/** How long one look with a pattern may take. */
const patternMs = 100;

/**
 * Whether a text has what is expected in it. A pattern that takes too long for a text, as one that
 * backtracks may, is not found in it, nor in longer ones: nobody could be served meanwhile.
 */
export function matching(expected: string | RegExp): (text: string) => boolean {
  if (typeof expected === "string") return (text) => text.includes(expected);
  const { createContext, Script } = process.getBuiltinModule("node:vm");
  const room = createContext({ pattern: expected, text: "" });
  const look = new Script("pattern.test(text)");
  let tooLong = Infinity;
  return (text) => {
    if (text.length >= tooLong) return false;
    room["text"] = text;
    try {
      return look.runInContext(room, { timeout: patternMs }) === true;
    } catch {
      tooLong = text.length;
      return false;
    }
  };
}

/** How long one look with a pattern may take, and how long after one that took longer there is none. */
const patternMs = 100;
const restMs = 1000;

/**
 * Whether a text has what is expected in it. A pattern that takes too long for a text, as one that
 * backtracks may, is not found in it, nor for a while in longer ones: nobody could be served meanwhile.
 */
export function matching(expected: string | RegExp): (text: string) => boolean {
  if (typeof expected === "string") return (text) => text.includes(expected);
  const { createContext, Script } = process.getBuiltinModule("node:vm");
  const room = createContext({ pattern: expected, text: "" });
  const look = new Script("pattern.test(text)");
  let tooLong = Infinity;
  let until = 0;
  return (text) => {
    if (text.length >= tooLong && performance.now() < until) return false;
    room["text"] = text;
    try {
      return look.runInContext(room, { timeout: patternMs }) === true;
    } catch {
      tooLong = text.length;
      until = performance.now() + restMs;
      return false;
    }
  };
}

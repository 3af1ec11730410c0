/**
 * Why a proxy did not connect: it wants other credentials, it may not, it could not reach the
 * target, or it did not answer as a proxy does.
 */
export type RefusalCode = "EPROXYAUTH" | "EPROXYDENIED" | "EPROXYTARGET" | "EPROXY";

/** What a proxy has answered, in words, instead of connecting. */
export class Refusal extends Error {
  readonly code: RefusalCode;

  constructor(code: RefusalCode, why: string) {
    super(why);
    this.code = code;
  }
}

import { constants } from "node:os";
import { describe, expect, test } from "vitest";
import {
  causeInWords,
  codeOf,
  errorEvent,
  ExitCode,
  interrupted,
  PortcatError,
  readerLeft,
  signalExitCode,
  systemError,
  usageError,
} from "../../src/errors.ts";

const thrown = (code: string) => Object.assign(new Error(`connect ${code}`), { code });

describe("a system error", () => {
  test.each([
    ["EACCES", "permission denied", 1],
    ["EADDRINUSE", "address already in use", 7],
    ["EADDRNOTAVAIL", "no such address on this machine", 7],
    ["EAI_AGAIN", "the name server did not answer", 3],
    ["ECONNREFUSED", "connection refused", 4],
    ["ECONNRESET", "connection reset by the peer", 8],
    ["EHOSTUNREACH", "host unreachable", 6],
    ["EISDIR", "it is a directory", 1],
    ["EMFILE", "too many open files (see ulimit -n)", 1],
    ["ENETUNREACH", "network unreachable", 6],
    ["ENOENT", "no such file or directory", 1],
    ["ENOSPC", "no space left on the device", 1],
    ["ENOTFOUND", "name not found", 3],
    ["EPIPE", "the other side no longer reads", 8],
    ["ETIMEDOUT", "timed out", 5],
  ])("%s is told as '%s' and leads to exit code %i", (code, words, exitCode) => {
    const cause = thrown(code);
    const error = systemError("cannot connect to 127.0.0.1:9", cause);
    expect(error).toBeInstanceOf(PortcatError);
    expect(error).toMatchObject({
      message: `cannot connect to 127.0.0.1:9: ${words} (${code})`,
      code,
      exitCode,
      cause,
    });
  });

  test("that the table does not know keeps Node's words, and is a failure", () => {
    for (const code of ["ESOMETHING", "constructor", "__proto__"])
      expect(systemError("cannot write", thrown(code))).toMatchObject({
        message: `cannot write: connect ${code}`,
        code,
        exitCode: 1,
      });
    expect(systemError("cannot write", "a string")).toMatchObject({
      message: "cannot write: a string",
      code: undefined,
      exitCode: 1,
    });
  });

  test("takes message, exit code, address and port from the details where they are given", () => {
    const details = { exitCode: 7, address: "127.0.0.1", port: 80 };
    expect(systemError("cannot listen", thrown("EACCES"), details)).toMatchObject({
      message: "cannot listen: permission denied (EACCES)",
      ...details,
    });
    expect(systemError("cannot listen", thrown("EACCES"), { message: "no" }).message).toBe("no");
  });

  test("that is ours already stays as it is", () => {
    const error = usageError("no such port");
    expect(systemError("cannot listen", error, { exitCode: 7 })).toBe(error);
  });

  test("every errno in words is one of the system's, and is told with its code", () => {
    const known = Object.keys(constants.errno).filter((code) =>
      causeInWords(thrown(code)).endsWith(` (${code})`),
    );
    // The table must be in use here, or this says nothing.
    expect(known.length).toBeGreaterThan(25);
    for (const code of known) expect(causeInWords(thrown(code))).not.toContain("connect E");
  });
});

test("only a string is a code", () => {
  for (const error of [undefined, null, "E", new Error("x"), { code: 5 }])
    expect(codeOf(error)).toBe("");
  expect(codeOf({ code: "EIO" })).toBe("EIO");
});

test("a usage error is exit code 2", () => {
  expect(usageError("port 99999 is not valid")).toMatchObject({ exitCode: 2, code: "USAGE" });
});

test("a signal is exit code 128 + its number, and its own code", () => {
  expect(interrupted("SIGTERM", 15)).toMatchObject({
    message: "ended by SIGTERM",
    exitCode: 143,
    code: "SIGTERM",
  });
  expect(signalExitCode(constants.signals.SIGINT)).toBe(130);
  expect(readerLeft).toBe(128 + constants.signals.SIGPIPE);
});

test("the event of an error has every field, null where there is nothing", () => {
  expect(errorEvent(new PortcatError("broken"))).toEqual({
    event: "error",
    message: "broken",
    code: null,
    exitCode: ExitCode.failure,
    address: null,
    port: null,
  });
  const details = { code: "EIO", exitCode: 5, address: "::1", port: 0 };
  expect(errorEvent(new PortcatError("broken", details))).toEqual({
    event: "error",
    message: "broken",
    ...details,
  });
});

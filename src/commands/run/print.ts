import { openStdout } from "../../endpoints/stdout.ts";
import { codeOf, ExitCode, readerLeft, systemError } from "../../errors.ts";

/** Writes a result to stdout, all of it. @throws PortcatError when stdout does not take it */
export function print(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const sink = openStdout();
    sink.open(resolve, (error) => {
      const exitCode = codeOf(error) === "EPIPE" ? readerLeft : ExitCode.failure;
      reject(systemError("cannot write to stdout", error, { exitCode }));
    });
    sink.write({ bytes: Buffer.from(text), release: () => undefined });
    sink.end();
  });
}

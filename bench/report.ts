/** The only place of the benchmark that writes: lines for whoever runs it. */

/** A line of the result. */
export function say(line = ""): void {
  process.stdout.write(`${line}\n`);
}

/** A line about what went wrong. */
export function complain(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

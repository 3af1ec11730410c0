interface Row {
  readonly text: string;
  readonly lasts: boolean;
}

/** The last rows of a terminal, which change in place: one per key, in the order of their first writing. */
export class LiveLines {
  readonly #write: (text: string) => void;
  readonly #rows = new Map<string, Row>();
  /** The rows that are on the terminal, with how many letters they have. */
  #shown: number[] = [];

  /** @param write - to the terminal */
  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  /**
   * Sets the row of a key.
   *
   * @param text - of at most one row, without its line end (see `inOneRow`)
   * @param lasts - whether it stays when something else is written below
   * @returns false where the terminal is not high enough for one more row
   */
  set(key: string, text: string, lasts: boolean): boolean {
    if (!this.#rows.has(key) && this.#rows.size >= size().rows - 1) return false;
    this.#rows.set(key, { text, lasts });
    this.#redraw("");
    return true;
  }

  /** Writes what is to stay, above the rows. */
  writeAbove(text: string): void {
    this.#redraw(text);
  }

  /** Leaves the terminal to others: rows that last stay as they are, and the rest goes. */
  settle(): void {
    if (this.#rows.size === 0) return;
    for (const [key, { lasts }] of this.#rows) if (!lasts) this.#rows.delete(key);
    this.#redraw("");
    this.#rows.clear();
    this.#shown = [];
  }

  #redraw(above: string): void {
    // Cursor up, and erase to the end of the screen (ECMA-48: CUU, ED).
    const height = heightOf(this.#shown);
    const erase = height === 0 ? "" : `\x1b[${String(height)}A\x1b[J`;
    const rows = Array.from(this.#rows.values(), ({ text }) => text);
    const { stripVTControlCharacters } = process.getBuiltinModule("node:util");
    this.#shown = rows.map((row) => stripVTControlCharacters(row).length);
    this.#write(`${erase}${above}${rows.map((row) => `${row}\n`).join("")}`);
  }
}

/** As much of a text as a row of the terminal has room for behind `taken` letters. */
export function inOneRow(text: string, taken: number): string {
  const room = size().columns - taken - 1;
  const letters = [...text];
  return letters.length <= room ? text : `${letters.slice(0, room - 1).join("")}…`;
}

/** A terminal that has become narrower has wrapped them. */
function heightOf(lengths: readonly number[]): number {
  const { columns } = size();
  return lengths.reduce((height, length) => height + Math.max(Math.ceil(length / columns), 1), 0);
}

/** That of a terminal which does not say is 0, or undefined. */
function size(): { rows: number; columns: number } {
  const { rows, columns } = process.stderr;
  return { rows: rows || 24, columns: columns || 80 };
}

const before = '{"data":';

/** The data of an answer that is JSON already. Whoever prints it gets the same as of the objects. */
export class JsonData {
  readonly text: string;
  #result: Buffer | null = null;

  constructor(text: string) {
    this.text = text;
  }

  /** The whole answer, printed once however many are sent it. */
  get result(): Buffer {
    this.#result ??= printed(this.text);
    return this.#result;
  }

  toJSON(): unknown {
    return JSON.parse(this.text);
  }
}

/** Its text may be large: it is not copied into a longer one first. */
function printed(text: string): Buffer {
  const bytes = Buffer.byteLength(text);
  const result = Buffer.allocUnsafe(before.length + bytes + 1);
  result.write(before, 'latin1');
  result.write(text, before.length);
  result[before.length + bytes] = 0x7d; // The closing brace.
  return result;
}

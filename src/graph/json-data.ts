const before = '{"data":';

/** The data of an answer that is JSON already. Whoever prints it gets the same as of the objects. */
export class JsonData {
  /** Its text, and once it was printed the whole answer alone: who takes it slowly keeps it in memory once. */
  #data: string | Buffer;

  constructor(text: string) {
    this.#data = text;
  }

  /** The whole answer, printed once however many are sent it. */
  get result(): Buffer {
    if (typeof this.#data === 'string') this.#data = printed(this.#data);
    return this.#data;
  }

  toJSON(): unknown {
    const data = this.#data;
    return typeof data === 'string' ? JSON.parse(data) : JSON.parse(data.toString()).data;
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

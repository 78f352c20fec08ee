/** The data of an answer that is JSON already. Whoever prints it gets the same as of the objects. */
export class JsonData {
  readonly text: string;
  #result: Buffer | null = null;

  constructor(text: string) {
    this.text = text;
  }

  /** The whole answer, printed once however many are sent it. */
  get result(): Buffer {
    this.#result ??= Buffer.from(`{"data":${this.text}}`);
    return this.#result;
  }

  toJSON(): unknown {
    return JSON.parse(this.text);
  }
}

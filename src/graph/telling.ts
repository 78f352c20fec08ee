/** Events that many are told of: the data of one is made once for all who ask the same of it (answers.ts: `told`). */
import { JsonData } from './json-data.ts';

/** Null where the executor has to answer. */
type Told = JsonData | null;

export interface Telling {
  /** At once where it can be made, or was made, without waiting. Never throws, never rejects. */
  dataOf(event: object, context: unknown): Told | Promise<Told>;
}

/** @param make the data as JSON; whose context it is given makes no difference */
export function createTelling(make: (event: object, context: unknown) => string | Promise<string>): Telling {
  const told = new WeakMap<object, Told | Promise<Told>>();

  async function waitedFor(event: object, text: Promise<string>): Promise<Told> {
    const data = await text.then(
      (made) => new JsonData(made),
      () => null,
    );
    told.set(event, data);
    return data;
  }

  function made(event: object, context: unknown): Told | Promise<Told> {
    try {
      const text = make(event, context);
      return typeof text === 'string' ? new JsonData(text) : waitedFor(event, text);
    } catch {
      return null;
    }
  }

  return {
    dataOf(event, context) {
      const known = told.get(event);
      if (known !== undefined) return known;
      const data = made(event, context);
      told.set(event, data);
      return data;
    },
  };
}

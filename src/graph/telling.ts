/** Events that many are told of: the data of one is made once for all who ask the same of it (answers.ts: `told`). */
import { JsonData } from './json-data.ts';

export interface Telling {
  /** Null where the executor has to answer. Never rejects. */
  dataOf(event: object, context: unknown): Promise<JsonData | null>;
}

/** @param make the data as JSON; whose context it is given makes no difference */
export function createTelling(make: (event: object, context: unknown) => string | Promise<string>): Telling {
  const told = new WeakMap<object, Promise<JsonData | null>>();

  async function made(event: object, context: unknown): Promise<JsonData | null> {
    try {
      return new JsonData(await make(event, context));
    } catch {
      return null;
    }
  }

  return {
    dataOf(event, context) {
      const known = told.get(event);
      if (known) return known;
      const data = made(event, context);
      told.set(event, data);
      return data;
    },
  };
}

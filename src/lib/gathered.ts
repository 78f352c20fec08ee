/**
 * Look-ups of many requests in one: while as many reads are under way as may be, whoever asks is put together with all
 * others for the next. Nothing is kept: what is answered was read after it was asked for.
 */

export interface GatheredDeps<Value> {
  /** Values by their keys; absent where there is none. */
  read(keys: readonly string[]): Promise<ReadonlyMap<string, Value>>;
  /** Of one read. */
  maxKeys?: number;
  /** At once. */
  maxReads?: number;
}

interface Batch<Value> {
  readonly keys: Set<string>;
  readonly values: Promise<ReadonlyMap<string, Value>>;
  begin(): Promise<void>;
}

export function createGathered<Value>({ read, maxKeys = 500, maxReads = 3 }: GatheredDeps<Value>) {
  /** Oldest first; the first one that is full goes before the others. */
  const waiting: Batch<Value>[] = [];
  let reading = 0;

  function newBatch(): Batch<Value> {
    const keys = new Set<string>();
    const { promise, resolve, reject } = Promise.withResolvers<ReadonlyMap<string, Value>>();
    const begin = () => read([...keys]).then(resolve, reject);
    const batch: Batch<Value> = { keys, values: promise, begin };
    waiting.push(batch);
    return batch;
  }

  async function readAll(): Promise<void> {
    reading += 1;
    // What is asked for in the same tick goes along.
    await Promise.resolve();
    for (let batch = waiting.shift(); batch; batch = waiting.shift()) await batch.begin();
    reading -= 1;
  }

  /** Undefined where there is none. Rejects as the read does, for all of it. */
  return async (key: string): Promise<Value | undefined> => {
    const newest = waiting.at(-1);
    const batch = newest && (newest.keys.size < maxKeys || newest.keys.has(key)) ? newest : newBatch();
    batch.keys.add(key);
    if (reading < maxReads && batch.keys.size === 1) void readAll();
    return (await batch.values).get(key);
  };
}

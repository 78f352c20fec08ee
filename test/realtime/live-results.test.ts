/** What readers are told of states: made once for those in step, and without keeping what nobody has any more. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { createResults, type Told } from '../../src/realtime/live/results.ts';
import type { LiveState } from '../../src/realtime/live/rows.ts';

const columns: LiveState['columns'] = [];
const stateOf = (...keys: string[]): LiveState => ({
  columns,
  rows: keys.map((key) => ({ key, texts: [key], values: [key] })),
});
const polled: readonly string[] = [];
const told = (more: Pick<Told, 'before' | 'after'> & Partial<Told>): Told => ({
  databaseId: 'd',
  version: 2,
  cause: new Set(['public.item']),
  polled,
  ...more,
});

describe('a result', () => {
  const [before, after] = [stateOf('a', 'b'), stateOf('b', 'c')];

  test('is the very same for who was told the same before, and another one for others', () => {
    const { resultOf } = createResults();
    const result = resultOf(told({ before, after }));
    expect(result).toMatchObject({ version: 2, rows: null, removed: ['a'], cause: ['public.item'] });
    expect(resultOf(told({ before, after, cause: new Set(['public.item']) }))).toBe(result);
    for (const other of [
      told({ before: stateOf('a', 'b'), after }),
      told({ before, after, version: 3 }),
      told({ before, after, cause: new Set() }),
      told({ before, after, databaseId: 'e' }),
      told({ before: null, after }),
    ]) {
      expect(resultOf(other)).not.toBe(result);
    }
  });

  test('of a state that differs in nothing is none', () => {
    const { rows } = after;
    expect(createResults().resultOf(told({ before: after, after: { columns, rows: [...rows] } }))).toBeNull();
  });

  test('does not keep the states that were before it', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const { resultOf } = createResults();
    let state: LiveState | null = null;
    const seen: WeakRef<LiveState>[] = [];
    for (let i = 0; i < 100; i++) {
      const next = stateOf(`${i}`);
      resultOf(told({ before: state, after: next, version: i + 1 }));
      seen.push(new WeakRef(next));
      state = next;
    }
    // What was looked at is not collected before the next turn.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    expect(seen.filter((one) => one.deref() !== undefined).length).toBeLessThan(5);
    expect(resultOf(told({ before: state, after: stateOf('last') }))).not.toBeNull();
  });
});

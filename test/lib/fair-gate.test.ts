/** The line in front of what is scarce: who waits, for whom, and how long. */
import { expect, test } from 'vitest';
import { createFairGate } from '../../src/lib/fair-gate.ts';

const never = new AbortController().signal;

/** Work that lasts until it is told to end. */
function held() {
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const { promise: ended, resolve: end } = Promise.withResolvers<string>();
  const work = () => {
    begin();
    return ended;
  };
  return { work, begun, end };
}

const limits = { max: 3, maxOfUser: 2, maxWaitMs: 60_000 };

test('one user who fills his own places keeps nobody else from theirs', async () => {
  const gate = createFairGate(limits);
  const [first, second, third] = [held(), held(), held()];
  const busy = [first, second, third].map(({ work }) => gate.run('busy', work, never));
  await Promise.all([first.begun, second.begun]);
  expect(await gate.run('other', async () => 'done', never)).toBe('done');
  first.end('first');
  await third.begun;
  second.end('second');
  third.end('third');
  expect(await Promise.all(busy)).toEqual(['first', 'second', 'third']);
});

test('all users together have so many', async () => {
  const gate = createFairGate(limits);
  const inside = ['a', 'b', 'c'].map((user) => ({ user, ...held() }));
  const results = inside.map(({ user, work }) => gate.run(user, work, never));
  await Promise.all(inside.map(({ begun }) => begun));
  const last = held();
  let entered = false;
  void last.begun.then(() => {
    entered = true;
  });
  results.push(gate.run('d', last.work, never));
  await new Promise(setImmediate);
  expect(entered).toBe(false);
  inside[0]!.end('done');
  await last.begun;
  for (const { end } of [...inside, last]) end('done');
  expect(await Promise.all(results)).toEqual(['done', 'done', 'done', 'done']);
});

test('whose turn does not come in time is told, and who has begun goes on beyond it', async () => {
  const gate = createFairGate({ max: 1, maxOfUser: 1, maxWaitMs: 50 });
  const first = held();
  const running = gate.run('a', first.work, never);
  const refusal = { code: 'TIMEOUT', details: { timeoutMs: 50 } };
  await expect(gate.run('a', async () => 'own line', never)).rejects.toMatchObject(refusal);
  await expect(gate.run('b', async () => 'line of all', never)).rejects.toMatchObject(refusal);
  first.end('done');
  expect(await running).toBe('done');
  expect(await gate.run('b', async () => 'next', never)).toBe('next');
});

test('who no longer waits gets his own reason and leaves no place taken', async () => {
  const gate = createFairGate({ max: 1, maxOfUser: 1, maxWaitMs: 60_000 });
  const first = held();
  const running = gate.run('a', first.work, never);
  const gone = new AbortController();
  const waiting = gate.run('b', async () => 'never', gone.signal);
  gone.abort(new Error('gone'));
  await expect(waiting).rejects.toThrow('gone');
  first.end('done');
  await running;
  expect(await gate.run('b', async () => 'next', never)).toBe('next');
});

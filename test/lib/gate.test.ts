import { expect, test } from 'vitest';
import { createGate } from '../../src/lib/gate.ts';

const signal = new AbortController().signal;

function held() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const started = Promise.withResolvers<void>();
  return {
    work: () => {
      started.resolve();
      return promise;
    },
    started: started.promise,
    resolve,
    reject,
  };
}

test('so many are inside, and the next one enters when one leaves, in order', async () => {
  const gate = createGate({ max: 2 });
  const order: string[] = [];
  const [a, b] = [held(), held()];
  const first = [gate.run(a.work, signal), gate.run(b.work, signal)];
  await Promise.all([a.started, b.started]);
  const later = ['c', 'd'].map((name) =>
    gate.run(async () => {
      order.push(name);
      return name;
    }, signal),
  );
  expect(order).toEqual([]);
  a.resolve('a');
  expect(await Promise.all(later)).toEqual(['c', 'd']);
  expect(order).toEqual(['c', 'd']);
  b.resolve('b');
  expect(await Promise.all(first)).toEqual(['a', 'b']);
});

test('work that fails makes room like work that succeeds', async () => {
  const gate = createGate({ max: 1 });
  await expect(gate.run(() => Promise.reject(new Error('broken')), signal)).rejects.toThrow('broken');
  expect(await gate.run(async () => 'next', signal)).toBe('next');
});

test('who gives up waiting leaves the line, and those behind him move on', async () => {
  const gate = createGate({ max: 1 });
  const a = held();
  const inside = gate.run(a.work, signal);
  await a.started;
  const asking = new AbortController();
  const impatient = gate.run(async () => 'never', asking.signal);
  const patient = gate.run(async () => 'patient', signal);
  asking.abort(new Error('gone'));
  await expect(impatient).rejects.toThrow('gone');
  a.resolve('a');
  expect(await inside).toBe('a');
  expect(await patient).toBe('patient');
  await expect(gate.run(async () => 'never', AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
});

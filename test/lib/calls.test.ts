/** Calls between two processes, whose channel is here a pair of emitters. */
import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { type Channel, createCalls } from '../../src/lib/calls.ts';

class Gone extends Error {}

type Side = {
  double(n: number): Promise<number>;
  fail(message: string): Promise<never>;
  wait(given: null): Promise<string>;
};

function pair() {
  const [one, other] = [new EventEmitter(), new EventEmitter()];
  const channel = (own: EventEmitter, far: EventEmitter): Channel => ({
    send: (message, sent) => queueMicrotask(() => [far.emit('message', structuredClone(message)), sent(null)]),
    on: (event: string, heard: (message: unknown) => void) => own.on(event, heard),
  });
  const waiting = Promise.withResolvers<string>();
  const ours: Side = {
    double: async (n) => n * 2,
    async fail(message) {
      throw new RangeError(message);
    },
    wait: () => waiting.promise,
  };
  const options = {
    encode: (error: unknown) => String(error),
    decode: (fault: unknown) => new Error(`there: ${String(fault)}`),
    gone: () => new Gone('gone'),
  };
  createCalls<Side, Side>({ channel: channel(other, one), ours, ...options });
  const call = createCalls<Side, Side>({ channel: channel(one, other), ours, ...options });
  return { call, waiting, leave: () => one.emit('disconnect') };
}

test('each call gets its own answer, in whatever order they come', async () => {
  const { call, waiting } = pair();
  const late = call('wait', null);
  expect(await Promise.all([call('double', 2), call('double', 4)])).toEqual([4, 8]);
  waiting.resolve('at last');
  expect(await late).toBe('at last');
});

test('an error of the other side is what it is told to be here', async () => {
  const { call } = pair();
  await expect(call('fail', 'no')).rejects.toThrow('there: RangeError: no');
});

test('what the other side does not offer is an error', async () => {
  const { call } = pair();
  await expect(call('toString' as 'double', 1)).rejects.toThrow('nothing here is called toString');
});

test('who waits is told that the other side is gone, and who calls it then', async () => {
  const { call, leave } = pair();
  const waiting = call('wait', null);
  leave();
  await expect(waiting).rejects.toThrow(Gone);
  await expect(call('double', 1)).rejects.toThrow(Gone);
});

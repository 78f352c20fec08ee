/** Work that nobody waits for any more. */
import { setImmediate } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { untilAborted } from '../../src/lib/until-aborted.ts';

/** What failed with nobody to hear of it, as it would end the process. */
function unheard(): unknown[] {
  const errors: unknown[] = [];
  const hear = (error: unknown) => errors.push(error);
  process.on('unhandledRejection', hear);
  onTestFinished(() => void process.off('unhandledRejection', hear));
  return errors;
}

test('it is waited for until the signal aborts, and no longer', async () => {
  const left = new AbortController();
  expect(await untilAborted(Promise.resolve('done'), left.signal)).toBe('done');
  await expect(untilAborted(Promise.reject(new Error('failed')), left.signal)).rejects.toThrow('failed');
  const waiting = untilAborted(new Promise(() => {}), left.signal);
  left.abort(new Error('left'));
  await expect(waiting).rejects.toThrow('left');
});

test('what fails when nobody waits for it, or never did, ends nobody', async () => {
  const errors = unheard();
  const work = [Promise.withResolvers<never>(), Promise.withResolvers<never>()] as const;
  const left = new AbortController();
  const waiting = untilAborted(work[0].promise, left.signal);
  left.abort(new Error('left'));
  await expect(waiting).rejects.toThrow('left');
  await expect(untilAborted(work[1].promise, left.signal)).rejects.toThrow('left');
  const gone = AbortSignal.abort(new Error('the connection is gone'));
  await expect(untilAborted(untilAborted(new Promise(() => {}), gone), left.signal)).rejects.toThrow('left');
  for (const { reject } of work) reject(new Error('too late'));
  await setImmediate();
  expect(errors).toEqual([]);
});

/** Answers that stand for as long as nothing is committed. */
import { expect, test } from 'vitest';
import type { Viewer } from '../../src/accounts/viewer.ts';
import { createProvenAnswers } from '../../src/graph/proven-answers.ts';

const viewer: Viewer = { userId: 'u', role: 'member', sessionId: 's', expiresAt: null };
const answer = Buffer.from('{"data":{}}');

function world({ maxBytes }: { maxBytes?: number } = {}) {
  let moment = 'first';
  let asked = 0;
  const moments = {
    async now() {
      asked += 1;
      return moment;
    },
  };
  const answers = createProvenAnswers({ moments, ...(maxBytes !== undefined && { maxBytes }) });
  return {
    ...answers,
    commit() {
      moment += '+';
    },
    momentsAsked: () => asked,
    /** As whoever finds it out anew does, twice: the first time nobody knew that it is asked often. */
    async prove(shown: string, question: string, proven = { viewer, answer }) {
      for (let times = 0; times < 2; times += 1) (await answers.ask(shown, question)).prove(proven);
    },
  };
}

test('at the same moment an answer stands, for who shows the same and asks the same', async () => {
  const { ask, prove } = world();
  await prove('token', '{ a }');
  expect((await ask('token', '{ a }')).proven).toMatchObject({ viewer, answer });
  expect((await ask('token', '{ b }')).proven).toBeNull();
  expect((await ask('other', '{ a }')).proven).toBeNull();
});

test('after a commit it has to be found out again', async () => {
  const { ask, prove, commit } = world();
  await prove('token', '{ a }');
  commit();
  const asked = await ask('token', '{ a }');
  expect(asked.proven).toBeNull();
  asked.prove({ viewer, answer });
  expect((await ask('token', '{ a }')).proven).not.toBeNull();
});

test('what was found out while somebody committed is not proven', async () => {
  const { ask, prove, commit } = world();
  await prove('token', '{ a }');
  commit();
  const asked = await ask('token', '{ a }');
  commit();
  asked.prove({ viewer, answer });
  expect((await ask('token', '{ a }')).proven).toBeNull();
});

test('what is asked once asks for no moment', async () => {
  const { ask, momentsAsked } = world();
  await ask('token', '{ a }');
  await ask('token', '{ b }');
  expect(momentsAsked()).toBe(0);
});

test('who asks the same once more is known, by what he shows', async () => {
  const { ask } = world();
  expect((await ask('token', '{ a }')).again).toBe(false);
  expect((await ask('token', '{ a }')).again).toBe(true);
  expect((await ask('other', '{ a }')).again).toBe(false);
  for (let others = 0; others < 3_000; others += 1) await ask('token', `{ a${others} }`);
  expect((await ask('token', '{ a }')).again).toBe(true);
  for (let others = 3_000; others < 15_000; others += 1) await ask('token', `{ a${others} }`);
  expect((await ask('token', '{ a }')).again).toBe(false);
});

test('a token that has ended proves nothing', async () => {
  const { ask, prove } = world();
  await prove('token', '{ a }', { viewer: { ...viewer, expiresAt: new Date(Date.now() - 1) }, answer });
  expect((await ask('token', '{ a }')).proven).toBeNull();
});

test('when it is full the one that was proven longest ago goes', async () => {
  const { ask, prove } = world({ maxBytes: 1_200 });
  await prove('token', '{ a }');
  await prove('token', '{ b }');
  await prove('token', '{ c }');
  expect((await ask('token', '{ a }')).proven).toBeNull();
  expect((await ask('token', '{ b }')).proven).not.toBeNull();
  expect((await ask('token', '{ c }')).proven).not.toBeNull();
});

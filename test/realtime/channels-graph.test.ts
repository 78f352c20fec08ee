/** Channels as clients meet them: over WebSocket, for members of a project. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BroadcastDocument, MessagesDocument } from '../support/operations.ts';
import { startPlainQuarry } from '../support/plain-server.ts';
import type { Account, Quarry } from '../support/server.ts';

let quarry: Quarry;
let account: Account;
let projectId: string;

beforeAll(async () => {
  quarry = await startPlainQuarry();
  account = await quarry.register();
  const made = await quarry.execute<{ createProject: { project: { id: string } } }, object>(
    'mutation { createProject(input: { name: "Talk" }) { project { id } } }',
    {},
    account,
  );
  projectId = made.data!.createProject.project.id;
});
afterAll(async () => quarry?.[Symbol.asyncDispose]());

const say = (payload: unknown) =>
  quarry.ask(BroadcastDocument, { input: { projectId, channel: 'room', payload } }, account);

test('what is broadcast is heard, and a reader goes on behind what he has heard', async () => {
  const events = quarry.subscribe(MessagesDocument, { projectId, channel: 'room' }, account);
  let heard = false;
  const first = events.next().then((event) => {
    heard = true;
    return event.value!.messages;
  });
  for (let i = 0; !heard; i++) expect(await say({ count: i })).toEqual({ broadcast: { ok: true } });
  const message = await first;
  expect(message).toMatchObject({
    channel: 'room',
    payload: { count: expect.any(Number) },
    sender: { id: account.user.id },
  });
  await events.return(undefined as never);
  await say('while away');
  const again = quarry.subscribe(MessagesDocument, { projectId, channel: 'room', after: message.position }, account);
  for (;;) {
    const { payload } = (await again.next()).value!.messages;
    if (payload === 'while away') break;
    expect(payload).toEqual({ count: expect.any(Number) });
  }
  await again.return(undefined as never);
});

test('what is wrong with a call is said', async () => {
  const elsewhere = quarry.subscribe(MessagesDocument, { projectId: account.user.id, channel: 'room' }, account);
  await expect(elsewhere.next()).rejects.toThrow(/NOT_FOUND|not found/i);
  const unnamed = { input: { projectId, channel: '', payload: 1 } };
  await expect(quarry.ask(BroadcastDocument, unnamed, account)).rejects.toThrow(/BAD_USER_INPUT|characters/);
});

/** From the transaction that causes a mail to the server that takes it: nothing lost, nothing early, nothing readable between. */
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { transaction } from '../../src/db/metadata.ts';
import { createBus } from '../../src/lib/bus.ts';
import { createKeyring } from '../../src/lib/keyring.ts';
import { Secret } from '../../src/lib/secret.ts';
import type { Topic } from '../../src/lib/topics.ts';
import { createOutbox } from '../../src/mail/outbox.ts';
import { startPostman } from '../../src/mail/postman.ts';
import { createSmtp } from '../../src/mail/smtp.ts';
import { createMailStore } from '../../src/mail/store.ts';
import { createTestMetadata, type TestMetadata } from '../support/metadata.ts';
import { from } from './describe-transport.ts';
import { type InboxOptions, refusal, startInbox } from './inbox.ts';

const token = 'c'.repeat(43);
const inAnHour = () => new Date(Date.now() + 3_600_000);
const keyring = createKeyring([{ id: 'k1', key: new Secret(randomBytes(32)) }]);
const outbox = createOutbox({ keyring, publicUrl: new URL('http://quarry.test') });

let metadata: TestMetadata;
beforeAll(async () => {
  metadata = await createTestMetadata();
});
afterAll(() => metadata?.[Symbol.asyncDispose]());

interface Event {
  msg: string;
  [field: string]: unknown;
}

/** @param options.postmen how many processes send */
async function openPost({
  postmen = 1,
  drainMs,
  ...options
}: InboxOptions & { postmen?: number; drainMs?: number } = {}) {
  const inbox = await startInbox(options);
  const bus = createBus<Topic>();
  const listeners = new Map<string, (event: Event) => void>();
  const log = pino({}, { write: (line) => tell(JSON.parse(line)) });
  const events: Event[] = [];
  function tell(event: Event) {
    events.push(event);
    listeners.get(event.msg)?.(event);
  }
  const start = () =>
    startPostman({
      store: createMailStore({ db: metadata.pool }),
      outbox,
      transport: createSmtp({ place: { host: '127.0.0.1', port: inbox.port, secure: false, credentials: null }, from }),
      bus,
      log,
      firstRetryMs: 1,
      ...(drainMs !== undefined && { drainMs }),
    });
  const running = Array.from({ length: postmen }, start);
  return {
    inbox,
    start,
    events,
    counts: () => running[0]!.counts(),
    stop: async () => void (await Promise.all(running.splice(0).map((postman) => postman.stop()))),
    /** The first event of this name from now on, or one that has been. */
    told: (msg: string) =>
      new Promise<Event>((resolve) => {
        const been = events.find((event) => event.msg === msg);
        if (been) resolve(been);
        else listeners.set(msg, resolve);
      }),
    ring: () => bus.ringHere('mail.queued', '*'),
    async [Symbol.asyncDispose]() {
      await Promise.all(running.map((postman) => postman.stop()));
      await inbox[Symbol.asyncDispose]();
      await metadata.pool.query('DELETE FROM outgoing_mails');
    },
  };
}

type Post = Awaited<ReturnType<typeof openPost>>;

const queue = (to: string | null, until = inAnHour()) =>
  transaction(metadata.pool, (client) =>
    outbox.queue(client, { to, template: 'verification', values: { token, expiresAt: until }, until }),
  );

async function send(post: Post, to: string | null, until?: Date) {
  await queue(to, until);
  post.ring();
}

const waiting = async () => (await metadata.pool.query('SELECT * FROM outgoing_mails')).rows;

test('a mail leaves when its transaction has committed, and never when it has not', async () => {
  await using post = await openPost();
  const failed = transaction(metadata.pool, async (client) => {
    await outbox.queue(client, {
      to: 'eve@example.com',
      template: 'verification',
      values: { token, expiresAt: inAnHour() },
    });
    throw new Error('no');
  });
  await expect(failed).rejects.toThrow('no');
  await send(post, 'ann@example.com');
  const mail = await post.inbox.next();
  expect(mail.to?.[0]?.address).toBe('ann@example.com');
  expect(mail.text).toContain(`http://quarry.test/#/verify-email?token=${token}`);
  await post.told('mail.sent');
  expect(await waiting()).toEqual([]);
  expect(post.counts()).toEqual({ sent: 1, retried: 0, givenUp: 0 });
  expect(JSON.stringify(post.events)).not.toMatch(/ann@|ccccc/);
});

test('a dump of the database holds no link and no address of a mail that waits', async () => {
  await queue('ann@example.com');
  const dump = JSON.stringify(await waiting());
  expect(dump).toContain('verification');
  expect(dump).not.toMatch(/ann@|ccccc/);
  await metadata.pool.query('DELETE FROM outgoing_mails');
});

test('several processes send each mail once', async () => {
  await using post = await openPost({ postmen: 4 });
  const people = Array.from({ length: 24 }, (_, i) => `p${i}@example.com`);
  await Promise.all(people.map((to) => queue(to)));
  post.ring();
  const arrived = await Promise.all(people.map(() => post.inbox.next()));
  expect(arrived.map(({ to }) => to?.[0]?.address).sort()).toEqual(people.sort());
  await post.stop();
  expect(post.inbox.left()).toBe(0);
});

test('a server that has no time is asked again, for the same mail', async () => {
  let attempts = 0;
  await using post = await openPost({
    accept: () => {
      attempts += 1;
      if (attempts < 3) throw refusal(451, '4.7.1 come again');
    },
  });
  await send(post, 'ann@example.com');
  expect((await post.inbox.next()).messageId).toMatch(/@quarry\.example>$/);
  await post.told('mail.sent');
  expect(post.counts()).toEqual({ sent: 1, retried: 2, givenUp: 0 });
  const [first, second] = post.events.filter(({ msg }) => msg === 'mail.put_off');
  expect([first?.retryInMs, second?.retryInMs]).toEqual([1, 2]);
});

test('a mail that nobody will have is given up at once, and the log says which', async () => {
  await using post = await openPost({ accept: () => Promise.reject(refusal(550, '5.1.1 no such user')) });
  await send(post, 'nobody@example.com');
  expect(await post.told('mail.given_up')).toMatchObject({
    template: 'verification',
    attempts: 1,
    reason: 'EENVELOPE: RCPT TO was answered 550 5.1.1',
  });
  expect(await waiting()).toEqual([]);
  expect(post.counts()).toMatchObject({ givenUp: 1 });
});

test('a mail whose link has ended is not sent, and one that fails until then is given up', async () => {
  await using post = await openPost({ accept: () => Promise.reject(refusal(451, 'later')) });
  await send(post, 'late@example.com', new Date(Date.now() - 1_000));
  expect(await post.told('mail.given_up')).toMatchObject({ reason: 'its time is over' });
  post.events.length = 0;
  await send(post, 'ann@example.com', new Date(Date.now() + 200));
  const { attempts } = await post.told('mail.given_up');
  expect(attempts).toBeGreaterThan(0);
  expect(await waiting()).toEqual([]);
});

test('a mail to nobody goes nowhere', async () => {
  await using post = await openPost();
  await queue(null);
  await send(post, 'ann@example.com');
  await post.inbox.next();
  await post.stop();
  expect(post.inbox.left()).toBe(0);
  expect(await waiting()).toEqual([]);
});

test('a mail whose process was killed is sent by another one, and the dead one’s word no longer counts', async () => {
  const store = createMailStore({ db: metadata.pool });
  await queue('ann@example.com');
  // Taken and never heard of again: its hold ends at once.
  const [taken] = await store.take({ limit: 1, holdMs: 0 });
  const [again] = await store.take({ limit: 1, holdMs: 0 });
  expect(again?.attempts).toBe(2);
  await store.remove(taken!);
  await store.putOff(taken!, 3_600_000);
  await using post = await openPost();
  expect((await post.inbox.next()).to?.[0]?.address).toBe('ann@example.com');
});

test('a stop does not wait for a server that hangs, and the next start sends the mail', async () => {
  const hang = new Promise<void>(() => undefined);
  let hanging = true;
  await using post = await openPost({ accept: () => (hanging ? hang : undefined), drainMs: 0 });
  await send(post, 'ann@example.com');
  await post.inbox.nextRecipient();
  await post.stop();
  hanging = false;
  const next = post.start();
  expect((await post.inbox.next()).to?.[0]?.address).toBe('ann@example.com');
  await next.stop();
});

test('what no key opens is said for that mail, and keeps no other back', async () => {
  await using post = await openPost();
  await queue('lost@example.com');
  await metadata.pool.query(`UPDATE outgoing_mails SET sealed = 'v1.gone.AAAA.AAAA'`);
  await send(post, 'ann@example.com');
  expect((await post.inbox.next()).to?.[0]?.address).toBe('ann@example.com');
  expect(await post.told('mail.put_off')).toMatchObject({ error: expect.stringContaining('no master key “gone”') });
});

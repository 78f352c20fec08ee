/** AUTH-7: passwords are tried so often an account and an address, over replicas and aliases, and the owner still comes in. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAttemptSweeper } from '../../src/accounts/attempts.ts';
import { networkOf } from '../../src/lib/network.ts';
import { createGraph } from './graph.ts';
import { createWorld, password, type World } from './world.ts';

const limits = { perAccount: 10, perAddress: 20, registrations: 5 };
const windowMs = 15 * 60_000;
/** CI tries a part; ATTEMPTS_SCALE=full tries a thousand. */
const many = process.env.ATTEMPTS_SCALE === 'full' ? 1_000 : 200;

let world: World;
let replicas: Awaited<ReturnType<World['startReplica']>>[];
let addresses = 0;

beforeAll(async () => {
  world = await createWorld();
  replicas = await Promise.all([1, 2].map(() => world.startReplica({ attempts: limits })));
});
afterAll(() => world?.[Symbol.asyncDispose]());

const from = (ipAddress: string, userId?: string) => ({ ipAddress, userAgent: 'test', ...(userId && { userId }) });
/** One that nothing came from before. */
const elsewhere = () => from(`10.${++addresses >> 16}.${(addresses >> 8) & 255}.${addresses & 255}`);

type Tried = { email: string; password?: string; caller?: ReturnType<typeof from>; replica?: number };

/** The code that it ended with. */
async function tried({ email, password = 'wrong', caller = elsewhere(), replica = 0 }: Tried): Promise<string> {
  try {
    await replicas[replica]!.accounts.login({ email, password }, caller);
    return 'OK';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

/** How many of them were compared with a hash. */
async function reached(tries: readonly Tried[]): Promise<number> {
  const codes = await Promise.all(tries.map((each, n) => tried({ replica: n % 2, ...each })));
  expect(new Set(codes)).toEqual(new Set(['UNAUTHENTICATED', 'RATE_LIMITED']));
  return codes.filter((code) => code === 'UNAUTHENTICATED').length;
}

const times = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));

describe('wrong passwords', () => {
  test('of one account from many addresses, at once and over two replicas, are tried ten times', async () => {
    const { email } = await world.person();
    const compared = await reached(times(many, () => ({ email })));
    console.log(`AUTH-7 oneAccount tried=${many} reached=${compared}`);
    expect(compared).toBe(limits.perAccount);
    // Also when it is written otherwise.
    expect(await tried({ email: ` ${email.toUpperCase()} ` })).toBe('RATE_LIMITED');
  });

  test('of one that is nobody’s as well, so that nothing shows', async () => {
    expect(await reached(times(30, () => ({ email: 'nobody@example.com' })))).toBe(limits.perAccount);
  });

  test('of many accounts from one address are tried so often as an address may', async () => {
    const caller = from('198.51.100.7');
    const compared = await reached(times(many, (n) => ({ email: `${n}@example.com`, caller })));
    console.log(`AUTH-7 oneAddress tried=${many} reached=${compared}`);
    expect(compared).toBe(limits.perAddress);
  });

  test('of many accounts from the address where all of them are signed in as well', async () => {
    const caller = from('198.51.100.8');
    const people = await Promise.all(times(4, () => world.person()));
    for (const { email } of people) expect(await tried({ email, password, caller })).toBe('OK');
    const tries = times(12, () => people.map(({ email }) => ({ email, caller }))).flat();
    expect(await reached(tries)).toBe(limits.perAddress);
  });

  test('from where the account is not signed in any more are those of whoever else tries it', async () => {
    const person = await world.person();
    const caller = from('198.51.100.9');
    expect(await tried({ ...person, password, caller })).toBe('OK');
    await world.accounts.logout(person.viewer, { everywhere: true }, caller);
    expect(await reached(times(14, () => ({ email: person.email, caller })))).toBe(limits.perAccount);
    expect(await tried({ email: person.email })).toBe('RATE_LIMITED');
  });

  test('are none where the server could not compare them, and are where nobody waited for it', async () => {
    const { email } = await world.person();
    const broken = await world.startReplica({ attempts: limits });
    await broken.hasher.stop();
    for (const caller of times(limits.perAccount + 2, elsewhere))
      await expect(broken.accounts.login({ email, password }, caller)).rejects.toThrow('has stopped');
    expect(await tried({ email, password })).toBe('OK');
    const { login } = replicas[0]!.accounts;
    for (const caller of times(limits.perAccount, elsewhere))
      await expect(login({ email, password }, caller, AbortSignal.abort())).rejects.toThrow('abort');
    expect(await tried({ email, password })).toBe('RATE_LIMITED');
  });

  test('are forgotten when their time is over, and not before', async () => {
    const [over, counted] = [await world.person(), await world.person()];
    await reached(times(12, () => ({ email: over.email })));
    await world.sql('UPDATE rate_limits SET expire = 0');
    await reached(times(12, () => ({ email: counted.email })));
    const sweep = createAttemptSweeper(world);
    expect(await sweep()).toBeGreaterThan(0);
    expect(await world.sql('SELECT FROM rate_limits WHERE expire = 0')).toEqual([]);
    expect(await sweep()).toBe(0);
    expect(await tried({ email: counted.email })).toBe('RATE_LIMITED');
  });

  test('from the addresses of one network of IPv6 are those of one address', async () => {
    const tries = times(100, (n) => ({
      email: `six${n}@example.com`,
      caller: from(`2001:db8:1:2::${n.toString(16)}`),
    }));
    expect(await reached(tries)).toBe(limits.perAddress);
  });

  test('under aliases of one document are no more, as the first that is wrong ends it', async () => {
    const { email } = await world.person();
    const graph = createGraph({ ...world, ...replicas[0]! });
    const login = `login(input: { email: "${email}", password: "wrong" }) { accessToken }`;
    const codes: unknown[] = [];
    for (let round = 0; round < 12; round += 1) {
      const { errors } = await graph(null, `mutation { ${times(15, (n) => `a${n}: ${login}`).join(' ')} }`);
      codes.push(...(errors ?? []).map(({ extensions }) => extensions.code));
    }
    expect(codes).toEqual([...times(limits.perAccount, () => 'UNAUTHENTICATED'), 'RATE_LIMITED', 'RATE_LIMITED']);
  });

  test('may be tried again when the time is over, and are told when that is', async () => {
    const { email } = await world.person();
    await reached(times(12, () => ({ email })));
    const refused = await replicas[0]!.accounts
      .login({ email, password: 'wrong' }, elsewhere())
      .catch((error) => error);
    expect(refused).toMatchObject({ code: 'RATE_LIMITED', details: { retryAfterMs: expect.any(Number) } });
    expect(refused.details.retryAfterMs).toBeGreaterThan(0);
    expect(refused.details.retryAfterMs).toBeLessThanOrEqual(windowMs);
    await world.sql('UPDATE rate_limits SET expire = 0');
    expect(await tried({ email, password })).toBe('OK');
  });

  test('are in the audit, and that they were stopped once', async () => {
    const { email, userId } = await world.person();
    await reached(times(14, () => ({ email })));
    const of = async (action: string) =>
      (await world.auditOf(action)).filter(({ subject }) => subject === idOf(userId));
    expect(await of('user.login_failed')).toHaveLength(limits.perAccount);
    expect(await of('user.login_limited')).toMatchObject([{ outcome: 'refused', details: { limit: 'account' } }]);
  });
});

const idOf = (userId: string) => Buffer.from(JSON.stringify(['User', userId])).toString('base64url');

describe('the owner of an account that others try', () => {
  test('comes in from where he was before, and from a session of his, with the right password alone', async () => {
    const home = from('203.0.113.9');
    const { email, userId } = await world.person();
    expect(await tried({ email, password, caller: home })).toBe('OK');
    await reached(times(40, () => ({ email })));
    expect(await tried({ email, password })).toBe('RATE_LIMITED');
    expect(await tried({ email, password, caller: home })).toBe('OK');
    expect(await tried({ email, password, caller: from(elsewhere().ipAddress, userId) })).toBe('OK');
    // Whoever else is signed in there is not he.
    const other = await world.person();
    expect(await tried({ email, password, caller: from(elsewhere().ipAddress, other.userId) })).toBe('RATE_LIMITED');
    expect(await reached(times(30, () => ({ email, caller: home })))).toBe(limits.perAccount);
  });

  test('signs in as often as he likes', async () => {
    const { email } = await world.person();
    const caller = elsewhere();
    for (const _ of times(25, (n) => n)) expect(await tried({ email, password, caller })).toBe('OK');
  });
});

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:0002::1', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['64:ff9b::192.0.2.33', '64:ff9b:0:0::/64'],
])('%s is of the network %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});

test('mails to accounts are asked for so often from one address, whomever they are for, and the rest writes nothing', async () => {
  const caller = from('198.51.100.77');
  const written = async () =>
    (await world.auditOf('user.password_reset_requested')).length +
    (await world.auditOf('user.verification_requested')).length;
  const before = await written();
  const ask = (n: number) => {
    const { accounts } = replicas[n % 2]!;
    const email = `m${n}@example.com`;
    return n % 3 ? accounts.requestPasswordReset(email, caller) : accounts.resendVerification(email, caller);
  };
  const answers = await Promise.allSettled(times(60, ask));
  const refused = answers.filter((answer) => answer.status === 'rejected');
  expect(refused).toHaveLength(60 - limits.perAddress);
  for (const { reason } of refused) expect(reason).toMatchObject({ code: 'RATE_LIMITED' });
  expect((await written()) - before).toBe(limits.perAddress);
  const told = (await world.auditOf('user.login_limited')).filter(({ details }) => details.limit === 'mail');
  expect(told).toHaveLength(1);
  await replicas[0]!.accounts.requestPasswordReset('other@example.com', elsewhere());
  expect((await written()) - before).toBe(limits.perAddress + 1);
});

describe('accounts', () => {
  const register = (n: number, caller: ReturnType<typeof from>, replica = n % 2) =>
    replicas[replica]!.accounts.register({ email: `new${n}@example.com`, password }, caller).then(
      () => 'OK',
      ({ code }: { code: string }) => code,
    );

  test('are asked for so often from one address, over replicas and at once, and the rest hashes, mails and writes nothing', async () => {
    const caller = from('198.51.100.88');
    const counts = async () =>
      (
        await world.sql(
          'SELECT (SELECT count(*)::int FROM users) AS users, (SELECT count(*)::int FROM outgoing_mails) AS mails',
        )
      )[0];
    const before = await counts();
    const codes = await Promise.all(times(30, (n) => register(n, caller)));
    expect(codes.filter((code) => code === 'OK')).toHaveLength(limits.registrations);
    expect(new Set(codes)).toEqual(new Set(['OK', 'RATE_LIMITED']));
    expect(await counts()).toEqual({
      users: before!.users + limits.registrations,
      mails: before!.mails + limits.registrations,
    });
    const told = (await world.auditOf('user.registration_limited')).filter(
      ({ ip_address }) => ip_address === caller.ipAddress,
    );
    expect(told).toMatchObject([{ outcome: 'refused', actor_id: null, details: { limit: 'registration' } }]);
    expect(await register(100, elsewhere())).toBe('OK');
    // Who is here already signs in.
    const { email } = await world.person();
    expect(await tried({ email, password, caller })).toBe('OK');
  });

  test('that are taken, and invitations that are not good, count as well', async () => {
    const caller = from('2001:db8:88::1');
    const { email } = await world.person();
    const input = (n: number) => ({ email, password, ...(n % 2 && { invitationToken: 'x'.repeat(43) }) });
    const codes = await Promise.all(
      times(12, (n) =>
        replicas[n % 2]!.accounts.register(input(n), from(`2001:db8:88::${n + 1}`)).catch(
          (error: { code: string }) => error.code,
        ),
      ),
    );
    expect(codes.filter((code) => code !== 'RATE_LIMITED')).toHaveLength(limits.registrations);
    expect(await register(101, caller)).toBe('RATE_LIMITED');
  });

  test('are not counted where nobody may open one', async () => {
    const closed = await world.startReplica({ attempts: limits, registration: 'closed' });
    const caller = from('198.51.100.89');
    for (const n of times(limits.registrations + 2, (n) => n))
      await expect(closed.accounts.register({ email: `c${n}@example.com`, password }, caller)).rejects.toMatchObject({
        code: 'FORBIDDEN',
      });
    expect(await register(102, caller)).toBe('OK');
  });
});

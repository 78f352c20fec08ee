/**
 * AUTH-5: does time tell who has an account? Signing in with a wrong password, asking for mails and registering, each for
 * addresses with an account, without, not yet confirmed and disabled, in turns, over HTTP with REQUIRE_VERIFIED_EMAIL.
 * `node bench/enumeration/run.ts [rounds] [addresses of each class] [mutations, with commas between]`, on a PostgreSQL of
 * its own.
 */
import { hash, randomBytes } from 'node:crypto';
import pg from 'pg';
import { createPasswordHasher } from '../../src/accounts/password-hasher.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import { startQuarry } from '../../test/support/server.ts';
import { median } from '../support/median.ts';
import { serverOf } from '../support/server.ts';

const rounds = Number(process.argv[2] ?? 200);
const addresses = Number(process.argv[3] ?? 40);
const only = process.argv[4]?.split(',');
const maxDifferenceMs = 10;

const classes = ['existing', 'missing', 'unverified', 'locked'] as const;
type Class = (typeof classes)[number];
const emailOf = (kind: Class, i: number) => `${kind}${i}@example.com`;

/** By name: the document, and whether each round takes an address that was not there before. */
const requests = {
  login: [
    'mutation ($email: String!) { login(input: { email: $email, password: "not the one" }) { accessToken } }',
    false,
  ],
  requestPasswordReset: ['mutation ($email: String!) { requestPasswordReset(input: { email: $email }) { ok } }', false],
  resendVerification: ['mutation ($email: String!) { resendVerification(input: { email: $email }) { ok } }', false],
  register: [
    'mutation ($email: String!) { register(input: { email: $email, password: "correct horse" }) { auth { accessToken } } }',
    true,
  ],
} as const;

const server = await serverOf(undefined);
const { host, port, user, password } = server;
const connection = { host, port, user, password };
const admin = new pg.Client({ ...connection, database: 'postgres' });
await admin.connect();
await admin.query('CREATE DATABASE quarry_enumeration_bench');
await admin.end();
const quarry = await startQuarry({
  env: {
    DATABASE_URL: `postgresql://${user}:${encodeURIComponent(password)}@${host}:${port}/quarry_enumeration_bench`,
    MASTER_KEYS: `k1:${randomBytes(32).toString('base64')}`,
    PLAYGROUND_URL: 'off',
    REQUIRE_VERIFIED_EMAIL: 'true',
    // Each request from another address, so that no limit on one of them is what is measured.
    TRUST_PROXY: '127.0.0.1/32',
  },
});
let worst = 0;
try {
  await seed();
  for (const [name, [document, fresh]] of Object.entries(requests)) {
    if (only && !only.includes(name)) continue;
    const times = new Map<Class, number[]>(classes.map((kind) => [kind, []]));
    const answers = new Set<string>();
    for (let round = 0; round < rounds; round += 1) {
      for (const kind of classes) {
        const i = kind === 'missing' && fresh ? addresses + round : round % addresses;
        const began = performance.now();
        const { status, data, errors } = await quarry.execute(document, { email: emailOf(kind, i) }, askerOf());
        times.get(kind)!.push(performance.now() - began);
        answers.add(hash('sha256', JSON.stringify({ status, data, errors })));
      }
    }
    const medians = classes.map((kind) => median(times.get(kind)!));
    const difference = Math.max(...medians) - Math.min(...medians);
    worst = Math.max(worst, difference);
    const figures = classes.map((kind, i) => `${kind} ${medians[i]!.toFixed(1)}`).join('  ');
    console.log(
      `${name.padEnd(21)} ms: ${figures}  largest difference ${difference.toFixed(1)}  answers ${answers.size}`,
    );
    if (answers.size !== 1) process.exitCode = 1;
  }
} finally {
  await quarry[Symbol.asyncDispose]();
  await server.stop();
}
const passed = worst < maxDifferenceMs && process.exitCode === undefined;
console.log(`AUTH-5 max_difference_ms=${worst.toFixed(1)} limit=${maxDifferenceMs} ${passed ? 'PASS' : 'FAIL'}`);
if (!passed) process.exitCode = 1;

function askerOf() {
  const [a, b, c] = randomBytes(3);
  return { headers: { 'x-forwarded-for': `10.${a}.${b}.${c}` } };
}

/** Straight into the metadata: one hash for all of them. */
async function seed(): Promise<void> {
  const hasher = createPasswordHasher();
  const passwordHash = await hasher.hash('correct horse');
  await hasher.stop();
  await using client = Object.assign(new pg.Client({ ...connection, database: 'quarry_enumeration_bench' }), {
    [Symbol.asyncDispose]: () => client.end(),
  });
  await client.connect();
  for (const kind of classes) {
    if (kind === 'missing') continue;
    for (let i = 0; i < addresses; i += 1) {
      await client.query(
        `INSERT INTO users (id, email, email_key, role, password_hash, email_verified_at, disabled_at, last_login_at)
         VALUES ($1, $2, $2, 'member', $3, CASE WHEN $4 THEN now() END, CASE WHEN $5 THEN now() END, now())`,
        [uuidv7(), emailOf(kind, i), passwordHash, kind !== 'unverified', kind === 'locked'],
      );
    }
  }
}

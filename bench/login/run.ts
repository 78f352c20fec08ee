/**
 * Does signing in stall the server? 64 passwords are checked at once while a timer asks how late it is: with the
 * product's threads, and with the same bcrypt on the event loop. `node bench/login/run.ts [checks] [cost]`
 */
import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import bcrypt from 'bcryptjs';
import { createPasswordHasher } from '../../src/accounts/password-hasher.ts';
import { digestOf } from '../../src/accounts/passwords.ts';

const checks = Number(process.argv[2] ?? 64);
const cost = Number(process.argv[3] ?? 12);
const probeMs = 5;
const password = 'correct horse battery staple';

interface Lateness {
  p50: number;
  p99: number;
  max: number;
  seconds: number;
}

/** How many milliseconds too late a timer came while `work` ran. */
async function lateness(work: () => Promise<unknown>): Promise<Lateness> {
  const late: number[] = [];
  let due = performance.now() + probeMs;
  const probe = setInterval(() => {
    late.push(Math.max(0, performance.now() - due));
    due = performance.now() + probeMs;
  }, probeMs);
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1_000;
  // The last wait counts too, and a loop that was never free has only this one.
  late.push(Math.max(0, performance.now() - due));
  clearInterval(probe);
  late.sort((a, b) => a - b);
  const at = (share: number) => late[Math.min(late.length - 1, Math.floor(late.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: late.at(-1) ?? 0, seconds };
}

async function allRight(answers: Promise<boolean>[]): Promise<void> {
  if (!(await Promise.all(answers)).every(Boolean)) throw new Error('a right password was refused');
}

const hasher = createPasswordHasher({ cost });
const hash = await hasher.hash(password);
const times = Array.from({ length: checks }, (_, i) => i);

const results = {
  idle: await lateness(() => new Promise((resolve) => setTimeout(resolve, 2_000))),
  'threads (Quarry)': await lateness(() => allRight(times.map(() => hasher.verify(password, hash)))),
  'bcryptjs on the loop': await lateness(() => allRight(times.map(() => bcrypt.compare(digestOf(password), hash)))),
};
await hasher.stop();

const rounded = (value: number) => Number(value.toFixed(1));
console.log(
  `${checks} checks at once, cost ${cost}, ${availableParallelism()} cores; lateness of a ${probeMs} ms timer in ms`,
);
console.table(
  Object.fromEntries(
    Object.entries(results).map(([name, { p50, p99, max, seconds }]) => [
      name,
      {
        p50: rounded(p50),
        p99: rounded(p99),
        max: rounded(max),
        seconds: rounded(seconds),
        'checks/s': rounded(name === 'idle' ? 0 : checks / seconds),
      },
    ]),
  ),
);

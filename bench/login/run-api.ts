/**
 * Does signing in stall the API? So many sign-ins at once over HTTP, with `{ __typename }` asked all the while: what the
 * probe waits then, beside what it waits when nobody signs in. `node bench/login/run-api.ts [logins]`
 */
import { availableParallelism, loadavg } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { startQuarry } from '../../test/support/server.ts';
import { percentile } from '../support/percentile.ts';

const logins = Number(process.argv[2] ?? 64);
const probeEveryMs = 20;
const idleMs = 3_000;
const login = 'mutation ($input: LoginInput!) { login(input: $input) { accessToken } }';

// All of them are one account's, from one address: how many may be wrong is not what is asked.
const quarry = await startQuarry({ env: { RATE_LIMIT_LOGIN: '0', RATE_LIMIT_LOGIN_ADDRESS: '0' } });

/** What the probe waited while `work` ran, and how long that took. */
async function probed(work: () => Promise<unknown>): Promise<{ waitsMs: number[]; seconds: number }> {
  const waitsMs: number[] = [];
  let working = true;
  const probing = (async () => {
    while (working) {
      const began = performance.now();
      const { data } = await quarry.execute('{ __typename }');
      if (!data) throw new Error('the probe was not answered');
      waitsMs.push(performance.now() - began);
      await setTimeout(probeEveryMs);
    }
  })();
  const began = performance.now();
  await work();
  const seconds = (performance.now() - began) / 1_000;
  working = false;
  await probing;
  return { waitsMs, seconds };
}

try {
  const { email } = await quarry.register();
  const input = { email, password: 'correct horse battery' };
  await quarry.until('sample.ready');
  const idle = await probed(() => setTimeout(idleMs));
  const busy = await probed(async () => {
    const answers = await Promise.all(Array.from({ length: logins }, () => quarry.execute(login, { input })));
    const refused = answers.filter(({ errors }) => errors);
    if (refused.length > 0) throw new Error(`${refused.length} refused: ${JSON.stringify(refused[0]?.errors)}`);
  });
  const load = loadavg()[0]!.toFixed(1);
  console.log(`${logins} sign-ins at once, ${availableParallelism()} cores, load ${load}; what the probe waited in ms`);
  console.table(
    Object.fromEntries(
      Object.entries({ idle, busy }).map(([name, { waitsMs, seconds }]) => [
        name,
        {
          probes: waitsMs.length,
          p50: Number(percentile(waitsMs, 0.5).toFixed(1)),
          p99: Number(percentile(waitsMs, 0.99).toFixed(1)),
          seconds: Number(seconds.toFixed(1)),
        },
      ]),
    ),
  );
} finally {
  await quarry[Symbol.asyncDispose]();
}

/**
 * A whole snapshot beside what others read of the same databases, in one run: each peer once with a snapshot before and
 * behind it, as often as there are rounds. `npm ci --prefix bench && node --stack-size=7000 bench/catalogue/run-peers.ts
 * [postgres URL of a superuser] [rounds] [tables …]`; without a URL, or with `-`, on a PostgreSQL of its own. PostGraphile
 * goes through the foreign keys of a thousand tables one inside the other: on the stack that node gives, it leaves most out.
 */
import { median } from '../support/median.ts';
import { serverOf } from '../support/server.ts';
import { catalogOf, options } from './catalog.ts';
import { peersAt } from './peers.ts';
import { seeded } from './seed.ts';

const [url, roundsText = '3', ...sizeTexts] = process.argv.slice(2);
const sizes = sizeTexts.length > 0 ? sizeTexts.map(Number) : [1_000, 10_000];
const rounds = Math.max(1, Number(roundsText));

async function timed(run: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return performance.now() - startedAt;
}

const server = await serverOf(url === '-' ? undefined : url);
console.log(`median of ${rounds} rounds\ntables  peer                         its ms  snapshot ms   ratio`);
try {
  for (const size of sizes) {
    await using stack = new AsyncDisposableStack();
    const client = await seeded(server, size);
    stack.defer(() => client.end());
    const catalog = stack.use(catalogOf(client));
    const snapshot = () => catalog.snapshot({ ...options, reach: 'SERVER' });
    await snapshot();
    for (const [name, read] of Object.entries(peersAt(size))) {
      const [theirs, ours]: [number[], number[]] = [[], []];
      for (let round = 0; round < rounds; round += 1) {
        ours.push(await timed(snapshot));
        theirs.push(await timed(() => read(client)));
        ours.push(await timed(snapshot));
      }
      const [its, own] = [median(theirs), median(ours)];
      console.log(
        `${String(size).padStart(6)}  ${name.padEnd(26)}  ${its.toFixed(0).padStart(7)}  ${own.toFixed(0).padStart(11)}  ${(its / own).toFixed(1).padStart(6)}`,
      );
    }
  }
} finally {
  await server.stop();
}

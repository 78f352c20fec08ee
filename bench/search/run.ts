/**
 * Search over 1,000,000 objects in 200 databases of very different sizes: how long each kind of question takes, what the
 * indexes take in memory, how long they take to make, and for how long that keeps the event loop.
 * `node bench/search/run.ts [objects] [databases] [rounds]`; the module as it is shipped, without a server. Wall clock and
 * the CPU of this process: on a busy machine the first one tells of the others.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createFinder } from '../../test/catalog/search/finder.ts';
import { percentile } from '../support/percentile.ts';
import { seededDatabase, sizesOf } from './seed.ts';

const [objectsText = '1000000', databasesText = '200', roundsText = '100'] = process.argv.slice(2);
const rounds = Number(roundsText);

const questions: readonly [what: string, text: string][] = [
  ['a hundred thousand objects', 'id'],
  ['a hundred thousand objects', 'created'],
  ['a whole name', 'created_at'],
  ['a word of some names', 'customer'],
  ['two words', 'order id'],
  ['words and a path', 'public id'],
  ['a dotted path', 'public.order_customer.id'],
  ['a typing error', 'custmer'],
  ['two typing errors', 'paymnt trnsaction'],
  ['comments', 'the'],
  ['one letter', 'i'],
  ['nothing', 'zzzzqqq'],
];

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const ms = (value: number): string => value.toFixed(2).padStart(8);

await using finder = createFinder({ maxBytes: 1_024 * 2 ** 20, firstWaitMs: 600_000 });
let objects = 0;
let smallest = '';
for (const [number, size] of sizesOf(Number(databasesText), Number(objectsText)).entries()) {
  const seeded = seededDatabase(number, size);
  smallest = await finder.put(seeded.name, seeded.snapshot);
  objects += seeded.objects;
}
globalThis.gc?.();
const before = process.memoryUsage.rss();
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const startedAt = performance.now();
await finder.search('nothing yet');
const builtMs = performance.now() - startedAt;
delay.disable();
globalThis.gc?.();
const after = process.memoryUsage.rss();
console.log(`${objects} objects in ${databasesText} databases`);
console.log(
  `made in ${(builtMs / 1_000).toFixed(1)} s, in a thread; the event loop was kept for ${ms(delay.max / 1e6)} ms at most`,
);
console.log(`indexes ${megabytes(finder.bytes())}; the process grew by ${megabytes(after - before)}`);
console.log(`\n${rounds} rounds of pages of 50   wall p50      p99   CPU p50      p99     hits`);
for (const databaseIds of [null, [smallest]]) {
  console.log(databaseIds ? 'one small database among them' : 'all databases');
  for (const [what, text] of questions) {
    const wall: number[] = [];
    const cpu: number[] = [];
    let total = 0;
    for (let round = 0; round < rounds; round += 1) {
      const [began, used] = [performance.now(), process.cpuUsage()];
      ({ total } = await finder.search({ text, databaseIds }));
      wall.push(performance.now() - began);
      const { user, system } = process.cpuUsage(used);
      cpu.push((user + system) / 1_000);
    }
    const figures = [wall, cpu].map((values) => `${ms(percentile(values, 0.5))} ${ms(percentile(values, 0.99))}`);
    console.log(`  ${what.padEnd(28)} ${figures.join('  ')} ${String(total).padStart(8)}  ${text}`);
  }
}

/** Asks each URL for `{ __typename }` in turn, from a thread that does nothing else, until it is told to stop. */
import { parentPort, workerData } from 'node:worker_threads';

const urls = workerData as string[];
const pauseMs = 10;
const times: number[][] = urls.map(() => []);
let stopping = false;
parentPort?.once('message', () => {
  stopping = true;
});

while (!stopping) {
  for (const [i, url] of urls.entries()) {
    const startedAt = performance.now();
    const body = JSON.stringify({ query: '{ __typename }' });
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    if (!(await response.text()).includes('Query')) throw new Error(`no answer from ${url}`);
    times[i]?.push(performance.now() - startedAt);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
parentPort?.postMessage(times);

/**
 * A Quarry's databases in a process of their own, to be killed: prints their ports and pids as JSON, then waits.
 * Arguments: DATA_DIR; `exit` to leave at once without a word to the servers.
 */
import { startEmbedded } from '../../src/db/embedded.ts';
import { createLog } from '../../src/lib/log.ts';

const [dataDir = '', how] = process.argv.slice(2);
try {
  const { meta, playground, stop } = await startEmbedded({
    dataDir,
    log: createLog({ level: 'silent', format: 'json' }),
    clusters: { meta: true, playground: true },
  });
  const alive = setInterval(() => undefined, 60_000);
  process.once('SIGTERM', () => {
    clearInterval(alive);
    void stop();
  });
  const pids = [meta?.cluster.pid, playground?.cluster.pid];
  process.stdout.write(`${JSON.stringify({ pids, app: meta?.app, uid: process.getuid?.() })}\n`);
  if (how === 'exit') process.exit(0);
} catch (error) {
  process.stderr.write(String(error));
  process.exitCode = 1;
}

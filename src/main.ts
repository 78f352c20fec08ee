/** Starts Quarry, or with `--worker` one that serves jobs and no HTTP, and stops it on SIGTERM. */
import { enableCompileCache } from 'node:module';
import { type ConfigError, readConfig } from './config.ts';
import { createLog } from './lib/log.ts';

// pg falls back to these for whatever is left out, and would hand them to somebody's server.
for (const name of Object.keys(process.env)) if (name.startsWith('PG')) delete process.env[name];

function configured() {
  try {
    return readConfig({ env: process.env, terminal: process.stdout.isTTY === true });
  } catch (error) {
    process.stderr.write(`Quarry does not start:\n${(error as ConfigError).message.replace(/^/gm, '  ')}\n`);
    process.exit(78); // EX_CONFIG of sysexits.h
  }
}

const config = configured();
// Modules keep their compiled form between starts.
enableCompileCache(config.moduleCache);
const log = createLog({ level: config.logLevel, format: config.logFormat });

const stopping = new AbortController();
let firstSignalAt: number | null = null;
/** A terminal's Ctrl-C reaches a process twice: from the terminal itself, and from the npm that started it. */
const sameSignalMs = 1_000;
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    const now = performance.now();
    firstSignalAt ??= now;
    // One that comes later does not wait for what drains.
    if (now - firstSignalAt > sameSignalMs) process.exit(1);
    if (stopping.signal.aborted) return;
    log.info({ signal }, 'stopping');
    stopping.abort();
  });
}

try {
  const { run } = process.argv.includes('--worker') ? await import('./worker.ts') : await import('./app.ts');
  await run({ config, log, signal: stopping.signal });
  process.exit(0);
} catch (error) {
  log.fatal({ err: error }, 'quarry.failed');
  process.exit(1);
}

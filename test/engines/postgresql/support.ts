/** The PostgreSQL engine on the shared server, reached as a user's target is. */
import type { Engine, Session, Target } from '../../../src/engines/engine.ts';
import type { ConnectDeps } from '../../../src/engines/postgresql/connect.ts';
import { createPostgresql } from '../../../src/engines/postgresql/index.ts';
import { createEgress } from '../../../src/lib/egress.ts';
import type { TestDatabase } from '../../support/databases.ts';

export const targetOf = (
  { host, port, database, user, password }: Pick<TestDatabase, 'host' | 'port' | 'database' | 'user' | 'password'>,
  changes: Partial<Target> = {},
): Target => ({
  host,
  port,
  database,
  user,
  password,
  ssl: 'PREFER',
  allowInsecureAuthentication: false,
  hosted: false,
  ...changes,
});

export const postgresql = (deps: Partial<ConnectDeps> = {}): Engine =>
  createPostgresql({
    dial: createEgress({ allowPrivateHosts: ['127.0.0.1/32'], denied: () => [] }),
    ...deps,
  });

export const openSession = (target: Target, engine: Engine = postgresql()): Promise<Session> =>
  engine.open(target, { signal: new AbortController().signal, label: 'quarry test' });

/** The change feed that reads the log of the server, on the newest one and on an old one. */
import { afterAll, beforeAll } from 'vitest';
import type { TestServer } from '../../../support/databases.ts';
import { hasPostgres15, startPostgres15 } from '../../../support/postgres-15.ts';
import { describeFeed } from './describe-feed.ts';

describeFeed('the log of PostgreSQL 18', { old: 'IDENTITY' });

if (hasPostgres15) {
  let server: (TestServer & AsyncDisposable) | undefined;
  beforeAll(async () => {
    server = await startPostgres15();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());
  describeFeed('the log of PostgreSQL 15', { old: 'IDENTITY', server: () => server! });
}

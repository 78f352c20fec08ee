/** The catalogue of a database as the server reads it: over the connections that it opens for that. */
import type pg from 'pg';
import type { Catalog } from '../../src/engines/catalog.ts';
import { createPostgresqlCatalog } from '../../src/engines/postgresql/catalog.ts';
import { createReader } from '../../src/engines/postgresql/reader.ts';
import { createEgress } from '../../src/lib/egress.ts';

export const options = { signal: new AbortController().signal };

/** Of the database that the client is connected to. */
export function catalogOf({ host, port, user, password, database }: pg.Client): Catalog {
  const dial = createEgress({ allowPrivateHosts: [`${host}/32`], denied: () => [] });
  const target = {
    host,
    port,
    user: user ?? '',
    password: password ?? '',
    database: database ?? '',
    ssl: 'DISABLE',
    allowInsecureAuthentication: true,
    hosted: false,
  } as const;
  return createPostgresqlCatalog(createReader({ dial }, target));
}

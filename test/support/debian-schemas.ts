/**
 * Schemas of real programs, as Debian ships them. `.ci/run` fetches the packages and unpacks them into the folder that
 * DEBIAN_SCHEMAS names; without it there are none.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const folder = process.env.DEBIAN_SCHEMAS;

const read = (path: string): Promise<string> => readFile(join(folder ?? '', path), 'utf8');

/** By name, how to get the SQL that makes it. */
const schemas: Record<string, () => Promise<string>> = {
  zabbix: async () =>
    gunzipSync(await readFile(join(folder ?? '', 'usr/share/zabbix-server-pgsql/schema.sql.gz'))).toString(),
  kea: () => read('usr/share/kea/scripts/pgsql/dhcpdb_create.pgsql'),
  'request-tracker5': () => read('usr/share/request-tracker5/etc/schema.Pg'),
  async kamailio() {
    const scripts = 'usr/share/kamailio/postgres';
    const names = (await readdir(join(folder ?? '', scripts))).filter((name) =>
      /^(?!standard|uid_).*-create\.sql$/.test(name),
    );
    const texts = await Promise.all(['standard-create.sql', ...names.sort()].map((name) => read(join(scripts, name))));
    return texts.join('\n');
  },
  async 'tpc-h'() {
    const script = await read('usr/share/mysql/mysql-test/include/dbt3_s001.inc');
    // The last table is the test's own.
    const tables = script.match(/^CREATE TABLE (?!time_statistics)[^;]*;/gim) ?? [];
    // Of what MariaDB alone understands; its secondary keys are indexes of their own elsewhere.
    return tables
      .map((table) =>
        table
          .replace(/,\s*KEY [^\n]*\)(?=,|\n)/g, '')
          .replaceAll('int(11)', 'integer')
          .replace(/\bdouble\b/g, 'double precision'),
      )
      .join('\n');
  },
};

export const debianSchemas: [name: string, sql: () => Promise<string>][] =
  folder === undefined ? [] : Object.entries(schemas);

/** Results of PostgreSQL as a format gets them: columns with their types, rows of raw text. */
import type pg from 'pg';
import { sessionSettings } from '../../src/engines/postgresql/connect.ts';
import type { ExportColumn, ExportRow, ExportType, ScalarType } from '../../src/exports/format.ts';

export interface RawResult {
  columns: ExportColumn[];
  rows: ExportRow[];
}

/** What a query gives under the settings of our sessions, which the client keeps. */
export async function readRaw(client: pg.Client, text: string): Promise<RawResult> {
  await client.query(sessionSettings);
  const types = { getTypeParser: () => (value: string) => value };
  const { rows, fields } = await client.query<(string | null)[]>({ text, rowMode: 'array', types: types as never });
  const elements = await elementsOf(
    client,
    fields.map(({ dataTypeID }) => dataTypeID),
  );
  return {
    rows,
    columns: fields.map(({ name, dataTypeID }) => ({
      name,
      type: elements.get(dataTypeID) ?? scalarOf(dataTypeID),
    })),
  };
}

async function elementsOf(client: pg.Client, oids: readonly number[]): Promise<Map<number, ExportType>> {
  const { rows } = await client.query<{ oid: number; element: number; delimiter: string }>(
    `SELECT a.oid::int8::int4 AS oid, coalesce(nullif(e.typbasetype, 0), e.oid)::int8::int4 AS element, e.typdelim AS delimiter
       FROM pg_type AS a JOIN pg_type AS e ON e.oid = a.typelem
      WHERE a.oid = ANY($1::oid[]) AND a.typoutput = 'array_out'::regproc`,
    [oids],
  );
  return new Map(rows.map(({ oid, element, delimiter }) => [oid, { kind: 'list', of: scalarOf(element), delimiter }]));
}

const scalarOf = (oid: number): ScalarType => ({ kind: kinds[oid] ?? 'other' });

const kinds: Readonly<Record<number, ScalarType['kind']>> = {
  16: 'boolean',
  17: 'binary',
  20: 'int64',
  21: 'int16',
  23: 'int32',
  25: 'text',
  26: 'int64',
  114: 'json',
  700: 'float32',
  701: 'float64',
  1042: 'text',
  1043: 'text',
  1082: 'date',
  1083: 'time',
  1114: 'timestamp',
  1184: 'timestamptz',
  1186: 'interval',
  1266: 'timetz',
  1700: 'decimal',
  2950: 'uuid',
  3802: 'json',
};

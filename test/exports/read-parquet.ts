/** Files of Parquet as DuckDB reads them; values as PostgreSQL takes them. */
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance, type Json } from '@duckdb/node-api';

export interface ReadParquet {
  /** Name and type of each column, as DuckDB calls it. */
  columns: [name: string, type: string][];
  rows: (string | null)[][];
}

/** Runs a query of DuckDB on a file, which it names `$file`. */
export async function queryParquet(file: Buffer, query: string): Promise<Json[][]> {
  const path = join(tmpdir(), `${crypto.randomUUID()}.parquet`);
  await writeFile(path, file);
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  try {
    await connection.run(`SET TimeZone = 'UTC'`);
    return (await connection.runAndReadAll(query.replaceAll('$file', `'${path}'`))).getRowsJson();
  } finally {
    connection.closeSync();
    instance.closeSync();
    await rm(path);
  }
}

export async function readParquet(file: Buffer): Promise<ReadParquet> {
  const described = await queryParquet(file, 'DESCRIBE FROM read_parquet($file)');
  const columns = described.map(([name, type]) => [String(name), String(type)] satisfies [string, string]);
  const names = columns.map(([name]) => `"${name.replaceAll('"', '""')}"`);
  const texts = columns.map(([, type], i) => textOf(names[i]!, type));
  const rows = await queryParquet(file, `SELECT ${texts.join(', ')} FROM read_parquet($file)`);
  return { columns, rows: rows as (string | null)[][] };
}

/** SQL of DuckDB for the text that PostgreSQL reads. */
function textOf(column: string, type: string): string {
  const element = type.endsWith('[]') ? type.slice(0, -2) : null;
  if (element !== null) {
    const quoted = `'"' || replace(replace(${textOf('x', element)}, '\\', '\\\\'), '"', '\\"') || '"'`;
    return `'{' || array_to_string(list_transform(${column}, x -> coalesce(${quoted}, 'NULL')), ',') || '}'`;
  }
  if (type === 'BLOB') return `'\\x' || lower(hex(${column}))`;
  if (type === 'DATE' || type.startsWith('TIMESTAMP')) {
    return `regexp_replace(${column}::VARCHAR, '^(\\S+) \\(BC\\)(.*)$', '\\1\\2 BC')`;
  }
  return `${column}::VARCHAR`;
}

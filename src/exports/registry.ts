/** The formats that there are: a new one is a file, and a line here. */
import { csv } from './csv.ts';
import type { Format } from './format.ts';
import { json } from './json.ts';
import { ndjson } from './ndjson.ts';
import { parquet } from './parquet.ts';
import { sql } from './sql.ts';
import { tsv } from './tsv.ts';
import { xlsx } from './xlsx.ts';

export const formats = { csv, tsv, json, ndjson, xlsx, parquet, sql } as const satisfies Record<string, Format>;

export type FormatName = keyof typeof formats;

/**
 * A process that turns one stream of lines into one of Parquet. DuckDB works here and not in the worker: it blocks a
 * thread of the pool for as long as an export takes, is stopped at once by a signal, and takes its memory along.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

export interface ParquetTask {
  /** All that DuckDB may touch. */
  readonly folder: string;
  /** A named pipe in it. */
  readonly input: string;
  readonly statement: string;
  readonly memoryMiB: number;
}

export type ParquetReport =
  /** DuckDB has opened the input, which is held open here until the next message: somebody else writes. */
  | { readonly type: 'reading' }
  /** The last word: the process is of no more use. */
  | { readonly type: 'done'; readonly rows: number }
  | { readonly type: 'failed'; readonly reason: 'module' | 'statement'; readonly message: string };

process.once('message', (task: ParquetTask) => {
  copy(task)
    .catch((error: unknown) => failed('statement', error))
    .then((report) => process.send?.(report));
});
// Nobody is left to read. An exit would wait for threads that wait for a pipe.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));

async function copy({ folder, input, statement, memoryMiB }: ParquetTask): Promise<ParquetReport> {
  let duckdb: typeof import('@duckdb/node-api');
  try {
    duckdb = await import('@duckdb/node-api');
  } catch (error) {
    return failed('module', error);
  }
  const instance = await duckdb.DuckDBInstance.create(':memory:', {
    // One thread keeps the order of the rows; it need not be asked to, and a row group may then be limited in bytes.
    threads: '1',
    preserve_insertion_order: 'false',
    memory_limit: `${memoryMiB}MiB`,
    temp_directory: `${folder}/spill`,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
  const connection = await instance.connect();
  await connection.run(`SET TimeZone = 'UTC'`);
  await connection.run(`SET allowed_directories = ['${folder.replaceAll("'", "''")}/']`);
  await connection.run('SET enable_external_access = false');
  await connection.run('SET lock_configuration = true');
  void tellWhenRead(input);
  const { rowsChanged } = await connection.run(statement);
  return { type: 'done', rows: rowsChanged };
}

/** A pipe opens for writing when somebody reads it (fifo(7)); what is written and closed before that would be lost. */
async function tellWhenRead(input: string): Promise<void> {
  await using _held = await open(input, constants.O_WRONLY);
  const { promise: written, resolve } = Promise.withResolvers<unknown>();
  process.once('message', resolve);
  process.send?.({ type: 'reading' } satisfies ParquetReport);
  await written;
}

const failed = (reason: 'module' | 'statement', error: unknown): ParquetReport => ({
  type: 'failed',
  reason,
  message: error instanceof Error ? error.message : String(error),
});

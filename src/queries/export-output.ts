/** The files of a run as its output: another process writes them, and here they are booked. */
import { rm } from 'node:fs/promises';
import type { ExportBooks } from '../exports/export-books.ts';
import type { Exporter } from './exporters.ts';
import type { RunOutput } from './run-output.ts';

interface ExporterOutputDeps {
  readonly exporter: Pick<Exporter, 'finish' | 'abandon'>;
  readonly books: ExportBooks;
  /** Of this attempt alone. */
  readonly temporaryFolder: string;
}

export function outputOfExporter({ exporter, books, temporaryFolder }: ExporterOutputDeps): RunOutput {
  return {
    // What the file store has left for the file is asked by its writer.
    maxBytes: Number.POSITIVE_INFINITY,
    start: () => books.start(),
    // What the rows become is told when it has.
    begin: async () => undefined,
    rows: async () => undefined,
    end: async () => undefined,
    finish: async () => books.commit(await exporter.finish()),
    async breakOff() {
      await exporter.abandon();
      await books.release();
      // One that died has left it; what stays here in spite of this a sweeper takes.
      await rm(temporaryFolder, { recursive: true, force: true }).catch(() => undefined);
    },
  };
}

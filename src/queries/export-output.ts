/** A run that writes straight into files: no row of it is kept anywhere else. */

import type { ExportWriter } from '../exports/export-writer.ts';
import type { FormatName } from '../exports/registry.ts';
import type { JobExport } from '../jobs/job.ts';
import type { RunOutput } from './run-output.ts';

/** The lines that an engine may make by itself, cells as they are; such a format's writer has a `copy` of the same name. */
const lines: Readonly<Partial<Record<FormatName, 'CSV' | 'TSV'>>> = { csv: 'CSV', tsv: 'TSV', parquet: 'TSV' };

export function exportResults(writer: ExportWriter, { format, safe }: Pick<JobExport, 'format' | 'safe'>): RunOutput {
  let begun = -1;
  return {
    raw: (safe ? undefined : lines[format as FormatName]) ?? 'ROWS',
    // What the file store has left for the file is asked by its writer.
    maxBytes: Number.POSITIVE_INFINITY,
    start: () => writer.start(),
    async begin(index, _statement, columns) {
      await writer.begin(columns);
      begun = index;
    },
    async rows(event) {
      if (event.type === 'lines') await writer.lines(event.lines, event.rows);
      else if (event.type === 'raw') await writer.rows(event.rows);
    },
    async end({ index, truncated }) {
      // What returns nothing has no file.
      if (begun === index) await writer.end({ truncated });
    },
    writtenBytes: () => writer.writtenBytes(),
    finish: () => writer.commit(),
    breakOff: () => writer.abandon(),
  };
}

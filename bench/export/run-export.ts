/** One export in a process of its own, as a worker does it: engine, format, compression, blob store. */
import { tmpdir } from 'node:os';
import { createPostgresql } from '../../src/engines/postgresql/index.ts';
import { compressTo } from '../../src/exports/compression.ts';
import type { Sink } from '../../src/exports/format.ts';
import { formats } from '../../src/exports/registry.ts';
import { createEgress } from '../../src/lib/egress.ts';
import { createDiskStore } from '../../src/storage/disk.ts';
import type { ExportResult, ExportTask } from './pipeline.ts';

process.once('message', (task: ExportTask) => {
  void exportOne(task).then((result) => process.send?.(result, () => process.disconnect()));
});

async function exportOne({ target, sql, format, compression, directory }: ExportTask): Promise<ExportResult> {
  const { signal } = new AbortController();
  const engine = createPostgresql({ dial: createEgress({ allowPrivateHosts: true, denied: () => [] }) });
  // Loads the parser, as the first job of a worker does.
  await engine.split(sql);
  const idleBytes = process.memoryUsage.rss();
  const startedAt = performance.now();
  await using session = await engine.open(
    { ...target, ssl: 'PREFER', hosted: false, allowInsecureAuthentication: false },
    { signal, label: 'quarry bench' },
  );
  await using upload = await createDiskStore({ directory }).upload(`bench/${format}`, signal);
  const file: Sink = { write: (bytes) => upload.write(typeof bytes === 'string' ? Buffer.from(bytes) : bytes) };
  await using packed = compression === null ? null : compressTo(file, compression, { signal });
  await using writer = formats[format].open(packed ?? file, { temporaryFolder: tmpdir(), signal });

  let rows = 0;
  const raw = writer.copy?.format ?? 'ROWS';
  const options = { readOnly: true, transaction: 'PER_STATEMENT', maxRows: Number.POSITIVE_INFINITY, raw } as const;
  for await (const event of session.run(sql, { ...options, signal })) {
    if (event.type === 'columns') await writer.begin({ name: 'orders', columns: event.columns });
    if (event.type === 'raw') await writer.rows(event.rows);
    if (event.type === 'lines') await writer.copy?.write(event.lines);
    if (event.type === 'end') rows = event.rowCount ?? 0;
  }
  await writer.end();
  await writer.close();
  await packed?.end();
  const { bytes } = await upload.finish();
  const elapsedMs = performance.now() - startedAt;
  return { rows, bytes, elapsedMs, idleBytes, peakBytes: process.resourceUsage().maxRSS * 1_024 };
}

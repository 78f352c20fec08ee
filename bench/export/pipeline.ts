/** What the benchmark tells the process that exports, and what it hears. */
import type { CompressionName } from '../../src/exports/compression.ts';
import type { FormatName } from '../../src/exports/registry.ts';

export interface ExportTask {
  readonly target: { host: string; port: number; user: string; password: string; database: string };
  readonly sql: string;
  readonly format: FormatName;
  readonly compression: CompressionName | null;
  /** The blob store's. */
  readonly directory: string;
}

export interface ExportResult {
  readonly rows: number;
  readonly bytes: number;
  /** From the connection to the target to the file that is closed and visible. */
  readonly elapsedMs: number;
  /** Resident, of the process when all is loaded and nothing has been exported, and at the most. */
  readonly idleBytes: number;
  readonly peakBytes: number;
}

/** A saved query as a submission: its SQL and name, and otherwise what the settings of whoever runs it say. */
import type { ExportInput } from '../../exports/destination.ts';
import type { SubmitQuery } from '../queries.ts';
import type { SavedQuery } from './saved-query.ts';

export const submissionOf = (
  { id, name, sql, export: saved }: Pick<SavedQuery, 'id' | 'name' | 'sql' | 'export'>,
  run: {
    databaseId: string;
    idempotencyKey: string | null;
    parameters?: readonly unknown[] | null;
    /** In place of what is saved; null: none. */
    export?: ExportInput | null | undefined;
  },
): SubmitQuery => ({
  target: { databaseId: run.databaseId },
  sql,
  parameters: run.parameters ?? null,
  name,
  timeoutMs: null,
  maxRows: null,
  readOnly: false,
  transaction: 'per_statement',
  priority: null,
  maxAttempts: 1,
  runAt: null,
  idempotencyKey: run.idempotencyKey,
  savedQueryId: id,
  export: run.export === undefined ? saved : run.export,
});

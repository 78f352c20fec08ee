/** What a feed's things in a target are called. Whose they are is read from their names alone. */
import { AppError } from '../../../lib/errors.ts';
import { trackingSchema } from '../catalog/sql.ts';

export interface FeedNames {
  /** Goes with the connection. */
  readonly temporarySlot: string;
  readonly keptSlot: string;
  /** Tells of all that happens to its tables. */
  readonly publication: string;
  /** Tells of INSERT and TRUNCATE, of tables whose old rows nothing identifies. */
  readonly insertPublication: string;
  /** `application_name`, by which a feed of ours that was left behind is known. */
  readonly label: string;
  /** Ends the names of what an outbox consists of. */
  readonly outbox: string;
  /** On which DDL is told, where that is tracked. */
  readonly ddlChannel: string;
}

/** @param feedId a UUID */
export function namesOf(feedId: string): FeedNames {
  const id = feedId.replaceAll('-', '').toLowerCase();
  if (!/^[0-9a-f]{32}$/.test(id)) throw new Error('A feed is named by a UUID');
  return {
    temporarySlot: `quarry_${id}`,
    keptSlot: `quarry_kept_${id}`,
    publication: `quarry_${id}`,
    insertPublication: `quarry_${id}_inserts`,
    label: `quarry feed ${id}`,
    outbox: id,
    ddlChannel: `${trackingSchema}_${id}`,
  };
}

export const unsupported = (message: string, cause?: unknown): AppError =>
  new AppError('UNSUPPORTED', message, { cause, details: { engine: 'POSTGRESQL', capability: 'ROW_CHANGES' } });

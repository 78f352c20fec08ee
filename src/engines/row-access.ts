/** The part of the catalogue contract that says what the credentials may read of the rows of a table, now. */
import type { QualifiedName } from './catalog.ts';
import type { ExportType } from './export-type.ts';

/** By name, or by the engine's own ids, which stay over renames. */
export type TablesAsked = { readonly names: readonly QualifiedName[] } | { readonly ids: readonly string[] };

export interface RowAccess extends QualifiedName {
  /** The engine's own; the same as that of a ChangedTable. */
  readonly id: string;
  readonly columns: readonly AccessedColumn[];
  /** Names of the primary key's columns, in the order of the table's; empty where there is none. */
  readonly key: readonly string[];
  /** All of its columns, also those to come and those that it had. */
  readonly readable: boolean;
  /** Policies decide which rows these credentials see. */
  readonly rowSecurity: boolean;
}

export interface AccessedColumn {
  readonly name: string;
  /** As the engine prints it. */
  readonly dataType: string;
  readonly type: ExportType;
  /** Blanks at the end are no part of its values: character(n). */
  readonly blankPadded: boolean;
  readonly readable: boolean;
}

export interface RowsAsked {
  readonly table: QualifiedName;
  /** The columns that rows are known by, with their types as the engine prints them. */
  readonly key: readonly Pick<AccessedColumn, 'name' | 'dataType'>[];
  /** What is given of each row that is there. */
  readonly columns: readonly string[];
  /** A text for each column of the key. */
  readonly keys: readonly (readonly string[])[];
  /** Transactions that have been committed, which the moment of the read must be behind. */
  readonly behind: readonly string[];
}

/** For each key the texts of the columns, as the engine prints them; null where the credentials see no such row. */
export type RowsSeen = readonly (readonly (string | null)[] | null)[];

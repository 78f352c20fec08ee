/**
 * The catalogue part of the engine contract: what is read, by set, and in which shapes. Names identify objects, never the
 * engine's own ids: schemas and relations by name, functions by name and argument types. What is asked by name answers
 * in the order asked; what is not there (any more) is null, or an empty list.
 */
import type { Cell } from './engine.ts';
import type { RowAccess, RowsAsked, RowsSeen, TablesAsked } from './row-access.ts';
import type { CatalogSnapshot, DatabaseParts } from './snapshot.ts';

export const relationKinds = ['TABLE', 'PARTITIONED_TABLE', 'VIEW', 'MATERIALIZED_VIEW', 'FOREIGN_TABLE'] as const;
export type RelationKind = (typeof relationKinds)[number];

export const constraintKinds = ['PRIMARY_KEY', 'UNIQUE', 'FOREIGN_KEY', 'CHECK', 'EXCLUSION', 'NOT_NULL'] as const;
export type ConstraintKind = (typeof constraintKinds)[number];

export const referentialActions = ['NO_ACTION', 'RESTRICT', 'CASCADE', 'SET_NULL', 'SET_DEFAULT'] as const;
export type ReferentialAction = (typeof referentialActions)[number];

export const routineKinds = ['FUNCTION', 'PROCEDURE', 'AGGREGATE', 'WINDOW'] as const;
export type RoutineKind = (typeof routineKinds)[number];

/** In which sessions a trigger or a rule fires: ORIGIN not in those that replay the changes of another server, REPLICA in those alone. */
export const firings = ['ORIGIN', 'ALWAYS', 'REPLICA', 'DISABLED'] as const;
export type Enabled = (typeof firings)[number];

/** Anything that lives in a schema under a name of its own: a relation, an index, a sequence, a type. */
export interface QualifiedName {
  readonly schema: string;
  readonly name: string;
}

export interface RoutineName extends QualifiedName {
  /** Types of the input arguments, qualified unless built in: `integer, public.mood[]`. Tells overloads apart. */
  readonly identity: string;
}

export interface Schema {
  name: string;
  owner: string | null;
  comment: string | null;
}

/** A table, a view or whatever else has rows. */
export interface Relation extends QualifiedName {
  kind: RelationKind;
  owner: string | null;
  comment: string | null;
}

export interface Column {
  name: string;
  /** As the engine numbers them: rising, with gaps where columns were dropped. */
  position: number;
  /** As the engine prints it, e.g. `character varying(50)`. */
  dataType: string;
  nullable: boolean;
  default: string | null;
  /** The expression that makes the value. */
  generated: string | null;
  identity: 'ALWAYS' | 'BY DEFAULT' | null;
  comment: string | null;
  /** 1-based place in the primary key; null when it is no part of it. */
  primaryKeyPosition: number | null;
  /** Alone unique among all rows. */
  unique: boolean;
  /** A key column of at least one index. */
  indexed: boolean;
  /** Of an enum, or of a domain over one, in their order. */
  enumValues: string[] | null;
  /** Only where it is not the type's own. */
  collation: string | null;
}

export interface ColumnStatistics {
  nullFraction: number | null;
  /** Negative: minus the distinct values over the rows. */
  distinctValues: number | null;
  averageWidthBytes: number | null;
  mostCommonValues: Cell[];
}

export interface Index {
  name: string;
  /** Key columns in order: a column's name, or the text of an expression. Columns that are only included are not among them. */
  columns: string[];
  unique: boolean;
  primary: boolean;
  valid: boolean;
  method: string | null;
  predicate: string | null;
  definition: string | null;
  comment: string | null;
  /** The constraint that it keeps, and is made by. */
  readonly constraint: string | null;
  /** Rows were last put in its order, and will be again. */
  readonly clustered: boolean;
  /** It tells a subscriber which row was changed. */
  readonly replicaIdentity: boolean;
  /** Null: the database's own. */
  readonly tablespace: string | null;
}

export interface Constraint {
  name: string | null;
  kind: ConstraintKind;
  columns: string[];
  definition: string;
  deferrable: boolean;
  validated: boolean;
  comment: string | null;
}

export interface ForeignKey {
  name: string | null;
  table: QualifiedName;
  columns: string[];
  referenced: QualifiedName;
  /** Pairs with `columns`. */
  referencedColumns: string[];
  onUpdate: ReferentialAction;
  onDelete: ReferentialAction;
}

export interface Trigger {
  name: string;
  /** BEFORE, AFTER or INSTEAD OF. */
  timing: string;
  events: string[];
  /** ROW or STATEMENT. */
  level: string;
  enabled: boolean;
  fires: Enabled;
  definition: string;
  function: RoutineName | null;
  comment: string | null;
}

/** A rewrite rule; that of a view is its definition, and none. */
export interface RewriteRule {
  name: string;
  fires: Enabled;
  definition: string;
  comment: string | null;
}

/** How a relation is made beside its columns and keys. */
/** What a change of a row tells a subscriber of the old one; INDEX: by the index that says so. */
export const replicaIdentities = ['DEFAULT', 'NOTHING', 'FULL', 'INDEX'] as const;
export type ReplicaIdentity = (typeof replicaIdentities)[number];

/** Statistics that the planner keeps of several columns of a relation: the order to gather, not what was gathered. */
export interface ExtendedStatistics extends QualifiedName {
  readonly owner: string | null;
  readonly definition: string;
  /** Null: the default. */
  readonly target: number | null;
  readonly comment: string | null;
}

/** How a column is stored and looked after. */
export interface ColumnDetails {
  /** It comes from a parent: a partitioned table, or one that is inherited from. */
  readonly inherited: boolean;
  /** PLAIN, EXTERNAL, EXTENDED or MAIN, where it is not the type's own. */
  readonly storage: string | null;
  /** pglz or lz4, where one is chosen. */
  readonly compression: string | null;
  readonly statisticsTarget: number | null;
  /** `name=value` each. */
  readonly options: readonly string[];
  /** Of a foreign table's column, `name=value` each. */
  readonly foreignOptions: readonly string[];
}

/** A column that a column of a view is made of. */
export interface ColumnOrigin {
  /** Of the view. */
  readonly name: string;
  readonly table: QualifiedName;
  readonly column: string;
}

export interface RelationDetails {
  readonly unlogged: boolean;
  /** How it is stored, e.g. heap; null for what stores nothing. */
  readonly accessMethod: string | null;
  /** Null: the database's own. */
  readonly tablespace: string | null;
  /** Storage parameters and options of a view, `name=value` each; those of its large values begin with `toast.`. */
  readonly options: readonly string[];
  readonly replicaIdentity: ReplicaIdentity;
  /** The composite type of a table OF it. */
  readonly ofType: QualifiedName | null;
  /** Of a foreign table, `name=value` each. */
  readonly foreignOptions: readonly string[];
  readonly statistics: readonly ExtendedStatistics[];
  /** Of a partitioned table: `RANGE (day)`. */
  partitionKey: string | null;
  /** Of a partition: `FOR VALUES …` or `DEFAULT`; its parent is the only one in `parents`. */
  partitionBound: string | null;
  /** What it inherits from, in order. */
  parents: QualifiedName[];
  rowSecurity: boolean;
  /** Row security holds for its owner, too. */
  forceRowSecurity: boolean;
  /** Of a foreign table. */
  foreignServer: string | null;
}

export interface Policy {
  name: string;
  /** ALL, SELECT, INSERT, UPDATE or DELETE. */
  command: string;
  permissive: boolean;
  /** `public` is everybody. */
  roles: string[];
  using: string | null;
  check: string | null;
  comment: string | null;
}

export interface EnumType extends QualifiedName {
  values: string[];
  comment: string | null;
}

/** Numbers are text: they are int8. */
export interface Sequence extends QualifiedName {
  dataType: string;
  start: string;
  increment: string;
  minimum: string;
  maximum: string;
  cache: string;
  cycle: boolean;
  owner: string | null;
  comment: string | null;
  ownedBy: { table: QualifiedName; column: string } | null;
}

export interface RoutineArgument {
  name: string | null;
  dataType: string;
  /** IN, OUT, INOUT, VARIADIC or TABLE. */
  mode: string;
  default: string | null;
}

export interface Routine extends RoutineName {
  kind: RoutineKind;
  arguments: RoutineArgument[];
  returns: string | null;
  language: string;
  /** IMMUTABLE, STABLE or VOLATILE. */
  volatility: string | null;
  securityDefiner: boolean;
  comment: string | null;
  definition: string | null;
}

export interface Role {
  name: string;
  canLogin: boolean | null;
  superuser: boolean | null;
  createDatabase: boolean | null;
  createRole: boolean | null;
  /** It has the rights of the roles that it is a member of without asking for them. */
  inherit: boolean | null;
  replication: boolean | null;
  bypassRowSecurity: boolean | null;
  /** Null: as many as the server takes. */
  connectionLimit: number | null;
  memberOf: string[];
  /** With what it was said of each; null where the credentials may not read it. */
  memberships: Membership[] | null;
}

export interface Membership {
  /** That it is a member of. */
  role: string;
  grantor: string | null;
  /** May make others members. */
  admin: boolean;
  /** Has its rights without asking for them; null where the server does not tell it of each membership. */
  inherit: boolean | null;
  /** May act as it. */
  set: boolean | null;
}

export interface Extension {
  name: string;
  version: string;
  schema: string | null;
  comment: string | null;
}

export interface ReadOptions {
  readonly signal: AbortSignal;
}

/** Whose tables or functions: those of the whole database but its system schemas, or one group for each schema asked. */
export type Within = { readonly database: true } | { readonly schemas: readonly string[] };

/** As `Within`; or one group for each partitioned table asked: its partitions, one level down. */
export type RelationsWithin =
  | Within
  | { readonly partitionsOf: readonly QualifiedName[] }
  /** What inherits, and is no partition. */
  | { readonly childrenOf: readonly QualifiedName[] };

export interface RelationFilter {
  /** A part of the name, in whatever case. */
  readonly search?: string | undefined;
  readonly kinds?: readonly RelationKind[] | undefined;
}

export interface RoutineFilter {
  readonly search?: string | undefined;
}

/** At most `limit` objects behind `after` and before `before`, from the end when `backward`; everything without a limit. */
export interface PageRequest<Name> {
  readonly limit?: number | undefined;
  readonly after?: Name | undefined;
  readonly before?: Name | undefined;
  readonly backward?: boolean | undefined;
}

/** How far a look at the server goes: all that the credentials see, or what is their own on a server shared with others. */
export type Reach = 'SERVER' | 'OWN';

/** Tables, and everything in schemas: what both name is there once. */
export interface DdlSelection {
  readonly schemas: readonly string[];
  readonly tables: readonly QualifiedName[];
}

/**
 * Reads by set: one statement a call, however many objects it is asked for. A read may wait for a lock that another
 * session of the target holds: the caller's signal ends it. @throws AppError CONNECTION_FAILED; the signal's reason
 */
export interface Catalog extends AsyncDisposable {
  /**
   * All of it at one moment, in one transaction of the target. While that lasts, a second or so for ten thousand tables,
   * DDL of others goes on. @throws AppError CONFLICT for a catalogue that changes faster than it can be read
   */
  snapshot(options: ReadOptions & { readonly reach: Reach }): Promise<CatalogSnapshot>;
  serverVersion(options: ReadOptions): Promise<string>;
  /** What an unqualified name means; null where there is none. */
  defaultSchema(options: ReadOptions): Promise<string | null>;
  databaseSizeBytes(options: ReadOptions): Promise<number | null>;
  /** The databases that the credentials may enter; OWN: this one alone. */
  serverDatabases(reach: Reach, options: ReadOptions): Promise<string[]>;
  /** OWN: the role of the credentials and those it is a member of. */
  roles(reach: Reach, options: ReadOptions): Promise<Role[]>;
  extensions(options: ReadOptions): Promise<Extension[]>;
  /** Without what extensions made. */
  parts(options: ReadOptions): Promise<DatabaseParts>;

  schemas(filter: { includeSystem: boolean }, options: ReadOptions): Promise<Schema[]>;
  schemasByName(names: readonly string[], options: ReadOptions): Promise<(Schema | null)[]>;

  /** One page a group, a database being one, in rising order of schema and name (and identity), byte by byte. */
  relationPages(
    within: RelationsWithin,
    filter: RelationFilter,
    page: PageRequest<QualifiedName>,
    options: ReadOptions,
  ): Promise<Relation[][]>;
  relationCounts(within: RelationsWithin, filter: RelationFilter, options: ReadOptions): Promise<number[]>;
  relationsByName(names: readonly QualifiedName[], options: ReadOptions): Promise<(Relation | null)[]>;

  columns(relations: readonly QualifiedName[], options: ReadOptions): Promise<Column[][]>;
  /** By the name of the column. */
  columnDetails(relations: readonly QualifiedName[], options: ReadOptions): Promise<Map<string, ColumnDetails>[]>;
  /** Of views: which columns of what their queries name each column is made of; empty for everything else. */
  origins(relations: readonly QualifiedName[], options: ReadOptions): Promise<ColumnOrigin[][]>;
  /** By the name of the column; empty where nothing was gathered or the credentials may not read the column. */
  statistics(relations: readonly QualifiedName[], options: ReadOptions): Promise<Map<string, ColumnStatistics>[]>;
  indexes(relations: readonly QualifiedName[], options: ReadOptions): Promise<Index[][]>;
  constraints(relations: readonly QualifiedName[], options: ReadOptions): Promise<Constraint[][]>;
  foreignKeys(relations: readonly QualifiedName[], options: ReadOptions): Promise<ForeignKey[][]>;
  /** Foreign keys that point to the relations, their own among them; what partitions inherit is left out. */
  referencedBy(relations: readonly QualifiedName[], options: ReadOptions): Promise<ForeignKey[][]>;
  triggers(relations: readonly QualifiedName[], options: ReadOptions): Promise<Trigger[][]>;
  policies(relations: readonly QualifiedName[], options: ReadOptions): Promise<Policy[][]>;
  /** But those behind views. */
  rules(relations: readonly QualifiedName[], options: ReadOptions): Promise<RewriteRule[][]>;
  /** Null for what is not there. */
  details(relations: readonly QualifiedName[], options: ReadOptions): Promise<(RelationDetails | null)[]>;
  /** The queries behind views; null for what is no view. */
  definitions(relations: readonly QualifiedName[], options: ReadOptions): Promise<(string | null)[]>;
  /** The planner's; null while it knows nothing. */
  estimatedRows(relations: readonly QualifiedName[], options: ReadOptions): Promise<(number | null)[]>;
  /** With indexes and large values, partitioned ones with all their partitions; null for what takes no room. */
  sizesBytes(relations: readonly QualifiedName[], options: ReadOptions): Promise<(number | null)[]>;
  /** By the name of the index. */
  indexSizesBytes(relations: readonly QualifiedName[], options: ReadOptions): Promise<Map<string, number>[]>;
  /** By the name of the index: how often it was used, since the engine began to count. */
  indexScans(relations: readonly QualifiedName[], options: ReadOptions): Promise<Map<string, number>[]>;

  enums(within: Within, options: ReadOptions): Promise<EnumType[][]>;
  enumsByName(names: readonly QualifiedName[], options: ReadOptions): Promise<(EnumType | null)[]>;
  sequences(schemas: readonly string[], options: ReadOptions): Promise<Sequence[][]>;
  /** Null before the first use of a sequence, and where the credentials may not read it. */
  lastValues(sequences: readonly QualifiedName[], options: ReadOptions): Promise<(string | null)[]>;

  routinePages(
    within: Within,
    filter: RoutineFilter,
    page: PageRequest<RoutineName>,
    options: ReadOptions,
  ): Promise<Routine[][]>;
  routineCounts(within: Within, filter: RoutineFilter, options: ReadOptions): Promise<number[]>;
  routinesByName(names: readonly RoutineName[], options: ReadOptions): Promise<(Routine | null)[]>;

  /** What the credentials may read of their rows; null for what is not there. */
  rowAccess(tables: TablesAsked, options: ReadOptions): Promise<(RowAccess | null)[]>;
  /** Rows by their keys, as the credentials see them at one moment. @throws AppError TIMEOUT, SQL_ERROR */
  rowsSeen(asked: RowsAsked, options: ReadOptions): Promise<RowsSeen>;

  /**
   * Statements that make the database again on an empty one, in an order that runs, as of one moment: without rows, owners
   * and privileges. @throws AppError LIMIT_EXCEEDED
   */
  ddl(options: ReadOptions): Promise<string>;
  /**
   * The same for each selection: what is in it, with what belongs to that and what it needs. Of a table that is only needed,
   * as by a foreign key, what it cannot be made without. Null where nothing was found. @throws AppError LIMIT_EXCEEDED
   */
  ddlOf(selections: readonly DdlSelection[], options: ReadOptions): Promise<(string | null)[]>;
}

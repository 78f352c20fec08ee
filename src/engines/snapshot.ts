/**
 * A database's whole catalogue at one moment, as plain data: what `Catalog.snapshot` gives, and what fingerprints, drift,
 * search, diagrams and DDL are made from. It holds nothing that is a statistic or moves without DDL.
 *
 * What may be relied on:
 * - It is consistent: one transaction of the target saw all of it, the texts of definitions too.
 * - Texts (types, expressions, definitions) are as the engine prints them where nothing but its own objects may go
 *   unqualified, whatever the search path of the credentials: they mean the same in any session.
 * - Lists have one order: objects by schema, name (and identity), byte by byte; what hangs off a relation by name, in
 *   UTF-16 code units; columns and attributes as the relation has them.
 * - `id` is the engine's own, as text: unique among objects of one list, stable over a rename, another one in a copy.
 *   It names nothing outside of the snapshot.
 * - The system's own schemas and sessions' temporary objects are left out. What an extension made is its own:
 *   `extensionMembers` alone holds it, for who shows what is there; lists beside it are of the user's objects.
 * - It is JSON: no undefined, no Date, no Map.
 */
import type {
  Column,
  ColumnDetails,
  ColumnOrigin,
  Constraint,
  Enabled,
  EnumType,
  ExtendedStatistics,
  Extension,
  ForeignKey,
  Index,
  Policy,
  QualifiedName,
  Relation,
  ReplicaIdentity,
  RewriteRule,
  Role,
  Routine,
  RoutineName,
  Schema,
  Sequence,
  Trigger,
} from './catalog.ts';

export interface Identified {
  readonly id: string;
}

/** What has an owner and can be granted. */
interface Grantable {
  owner: string | null;
  /** Who may do what, as the engine prints it; null: what the engine gives by itself. */
  readonly privileges: string | null;
}

interface Commented {
  comment: string | null;
}

export type SnapshotSchema = Schema & Identified & Grantable;

export interface SnapshotColumn extends Column, ColumnDetails, Identified {
  /** Said of the column itself; `nullable` knows of its domain as well. */
  readonly notNull: boolean;
  readonly generatedKind: 'STORED' | 'VIRTUAL' | null;
  /** Of `collation`. */
  readonly collationSchema: string | null;
  /** It is declared here, whether a parent has it or not. */
  readonly local: boolean;
  readonly privileges: string | null;
}

export interface SnapshotConstraint extends Constraint, Identified {
  /** It comes from a parent. */
  readonly inherited: boolean;
  readonly local: boolean;
  /** The name of the index that keeps it, of a key or an exclusion. */
  readonly index: string | null;
}

export interface SnapshotIndex extends Index, Identified {
  /** The index of the partitioned table above that it is attached to. */
  readonly parent: QualifiedName | null;
  /** Of its expressions, `number of the column=target` each. */
  readonly statisticsTargets: readonly string[];
}

export interface SnapshotForeignKey extends ForeignKey, Identified {
  /** It is a partition's copy of its parent's, on either end. */
  readonly inherited: boolean;
}

export interface SnapshotTrigger extends Trigger, Identified {
  /** It is a partition's copy of its parent's. */
  readonly inherited: boolean;
}

export type SnapshotPolicy = Policy & Identified;

export type Rule = RewriteRule & Identified;

export type SnapshotStatistics = ExtendedStatistics & Identified;

export interface SnapshotRelation extends Relation, Identified, Grantable {
  readonly unlogged: boolean;
  /** How it is stored, e.g. heap; null for what stores nothing. */
  readonly accessMethod: string | null;
  /** Null: the database's own. */
  readonly tablespace: string | null;
  /** Storage parameters and options of a view, `name=value` each; those of its large values begin with `toast.`. */
  readonly options: readonly string[];
  readonly rowSecurity: boolean;
  /** Row security holds for its owner, too. */
  readonly forceRowSecurity: boolean;
  readonly replicaIdentity: ReplicaIdentity;
  /** Of a partitioned table: `RANGE (day)`. */
  readonly partitionKey: string | null;
  /** Of a partition: `FOR VALUES …` or `DEFAULT`; its parent is the only one in `parents`. */
  readonly partitionBound: string | null;
  /** What it inherits from, in order. */
  readonly parents: readonly QualifiedName[];
  /** The composite type of a table OF it. */
  readonly ofType: QualifiedName | null;
  /** The query behind a view. */
  readonly definition: string | null;
  /** Of a foreign table. */
  readonly foreign: { readonly server: string; readonly options: readonly string[] } | null;
  readonly columns: readonly SnapshotColumn[];
  readonly indexes: readonly SnapshotIndex[];
  /** Foreign keys among them. */
  readonly constraints: readonly SnapshotConstraint[];
  readonly foreignKeys: readonly SnapshotForeignKey[];
  readonly triggers: readonly SnapshotTrigger[];
  readonly policies: readonly SnapshotPolicy[];
  readonly rules: readonly Rule[];
  readonly statistics: readonly SnapshotStatistics[];
  /** Of a view. */
  readonly origins: readonly ColumnOrigin[];
}

export interface SnapshotEnum extends EnumType, Identified, Grantable {
  /** Of each of `values`. */
  readonly valueIds: readonly string[];
}

export interface DomainConstraint extends Identified, Commented {
  readonly name: string;
  readonly kind: 'CHECK' | 'NOT_NULL';
  readonly definition: string;
  readonly validated: boolean;
}

export interface Domain extends QualifiedName, Identified, Grantable, Commented {
  readonly baseType: string;
  readonly notNull: boolean;
  readonly default: string | null;
  /** Where it is not its type's own. */
  readonly collation: QualifiedName | null;
  readonly constraints: readonly DomainConstraint[];
}

export interface CompositeAttribute extends Identified, Commented {
  readonly name: string;
  readonly dataType: string;
  readonly collation: QualifiedName | null;
}

export interface CompositeType extends QualifiedName, Identified, Grantable, Commented {
  readonly attributes: readonly CompositeAttribute[];
}

export interface RangeType extends QualifiedName, Identified, Grantable, Commented {
  readonly subtype: string;
  readonly multirange: QualifiedName | null;
  readonly operatorClass: QualifiedName;
  readonly collation: QualifiedName | null;
  /** Functions, quoted and qualified. */
  readonly canonical: string | null;
  readonly difference: string | null;
}

export interface SnapshotSequence extends Sequence, Identified, Grantable {
  readonly unlogged: boolean;
  /** It belongs to an identity column, and goes with it. */
  readonly identity: boolean;
}

/** How an aggregate is made; functions, types and operators as the engine prints them. */
export interface AggregateDefinition {
  readonly kind: 'NORMAL' | 'ORDERED_SET' | 'HYPOTHETICAL';
  /** Arguments before ORDER BY, of an ordered-set aggregate. */
  readonly directArguments: number;
  readonly transition: string;
  readonly stateType: string;
  /** Bytes, as the planner is told; 0: unknown. */
  readonly stateSize: number;
  readonly initialState: string | null;
  readonly final: string | null;
  readonly finalTakesArguments: boolean;
  /** READ_ONLY, SHAREABLE or READ_WRITE. */
  readonly finalModifies: string;
  readonly combine: string | null;
  readonly serialize: string | null;
  readonly deserialize: string | null;
  readonly moving: {
    readonly transition: string;
    readonly inverse: string;
    readonly stateType: string;
    readonly stateSize: number;
    readonly initialState: string | null;
    readonly final: string | null;
    readonly finalTakesArguments: boolean;
    readonly finalModifies: string;
  } | null;
  readonly sortOperator: string | null;
  /** SAFE, RESTRICTED or UNSAFE. */
  readonly parallel: string;
}

export interface SnapshotRoutine extends Routine, Identified, Grantable {
  /** Of an aggregate, whose `definition` is null. */
  readonly aggregate: AggregateDefinition | null;
}

export type SnapshotExtension = Extension & Identified;

export interface EventTrigger extends Identified, Commented {
  readonly name: string;
  readonly owner: string | null;
  readonly event: string;
  /** Commands that it is for; empty: all. */
  readonly tags: readonly string[];
  readonly function: RoutineName;
  readonly fires: Enabled;
}

export interface Publication extends Identified, Commented {
  readonly name: string;
  readonly owner: string | null;
  readonly allTables: boolean;
  /** INSERT, UPDATE, DELETE, TRUNCATE. */
  readonly operations: readonly string[];
  readonly viaPartitionRoot: boolean;
  /** NONE, STORED. */
  readonly generatedColumns: string;
  readonly tables: readonly {
    readonly table: QualifiedName;
    /** Null: all. */
    readonly columns: readonly string[] | null;
    readonly where: string | null;
  }[];
  readonly schemas: readonly string[];
}

export interface ForeignDataWrapper extends Identified, Grantable, Commented {
  readonly name: string;
  readonly handler: string | null;
  readonly validator: string | null;
  readonly options: readonly string[];
}

export interface ForeignServer extends Identified, Grantable, Commented {
  readonly name: string;
  readonly wrapper: string;
  readonly type: string | null;
  readonly version: string | null;
  readonly options: readonly string[];
}

export const otherKinds = [
  'TYPE',
  'COLLATION',
  'LANGUAGE',
  'ACCESS_METHOD',
  'CONVERSION',
  'TRANSFORM',
  'OPERATOR',
  'OPERATOR_FAMILY',
  'OPERATOR_CLASS',
  'CAST',
  'TEXT_SEARCH_PARSER',
  'TEXT_SEARCH_TEMPLATE',
  'TEXT_SEARCH_DICTIONARY',
  'TEXT_SEARCH_CONFIGURATION',
  'EXTENSION_DEPENDENCY',
] as const;
export type OtherKind = (typeof otherKinds)[number];

/** What has no shape of its own here, by the statements that make it. A TYPE is one that is made of functions, or only promised. */
export interface OtherObject extends Identified, Commented {
  readonly kind: OtherKind;
  readonly schema: string | null;
  readonly name: string;
  /** As statements call it: `app.=(integer,integer)`, `(text AS app.number)`. Of a kind no two have the same one. */
  readonly identity: string;
  readonly definition: string;
}

/** What the graph lists, and extensions have made. */
export interface ExtensionMembers {
  readonly schemas: readonly SnapshotSchema[];
  readonly relations: readonly SnapshotRelation[];
  readonly enums: readonly SnapshotEnum[];
  readonly sequences: readonly SnapshotSequence[];
  readonly routines: readonly SnapshotRoutine[];
}

/** What a database has beside relations, routines, enums and sequences. */
export interface DatabaseParts {
  readonly domains: readonly Domain[];
  readonly compositeTypes: readonly CompositeType[];
  readonly rangeTypes: readonly RangeType[];
  readonly eventTriggers: readonly EventTrigger[];
  readonly publications: readonly Publication[];
  readonly foreignDataWrappers: readonly ForeignDataWrapper[];
  /** Without user mappings, which hold passwords. */
  readonly foreignServers: readonly ForeignServer[];
  readonly others: readonly OtherObject[];
}

export interface CatalogSnapshot extends DatabaseParts {
  readonly database: string;
  readonly serverVersion: string;
  /** What an unqualified name means to the credentials; null where there is none. */
  readonly defaultSchema: string | null;
  readonly schemas: readonly SnapshotSchema[];
  readonly relations: readonly SnapshotRelation[];
  readonly enums: readonly SnapshotEnum[];
  /** Those of identity columns among them. */
  readonly sequences: readonly SnapshotSequence[];
  readonly routines: readonly SnapshotRoutine[];
  readonly extensions: readonly SnapshotExtension[];
  /** The server's, as far as `reach` went: no part of what the database is. */
  readonly roles: readonly Role[];
  readonly extensionMembers: ExtensionMembers;
}

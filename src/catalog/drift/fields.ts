/**
 * What is told of each kind of object, and so what a change of it can be: under the graph's own names, or the snapshot's
 * where the graph has none. Left out is what follows from something else: whether a column has an index, what its enum's
 * values are, where in the table it stands. Owners, privileges and tablespaces are no part of what a catalogue is.
 */
import type {
  CatalogSnapshot,
  SnapshotColumn,
  SnapshotConstraint,
  SnapshotEnum,
  SnapshotExtension,
  SnapshotForeignKey,
  SnapshotIndex,
  SnapshotPolicy,
  SnapshotRelation,
  SnapshotRoutine,
  SnapshotSchema,
  SnapshotSequence,
  SnapshotTrigger,
} from '../../engines/snapshot.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** Objects that the graph has no kind for are told with what they are in. */
export const schemaLists = ['domains', 'compositeTypes', 'rangeTypes'] as const satisfies (keyof CatalogSnapshot)[];
export const databaseLists = [
  'eventTriggers',
  'publications',
  'foreignDataWrappers',
  'foreignServers',
  'others',
] as const satisfies (keyof CatalogSnapshot)[];
export const relationLists = ['rules', 'statistics'] as const satisfies (keyof SnapshotRelation)[];

export const schemaFields = ({ name, comment }: SnapshotSchema): Fields => ({ name, comment });

export const extensionFields = ({ name, version, schema, comment }: SnapshotExtension): Fields => ({
  name,
  version,
  schema,
  comment,
});

export const relationFields = (relation: SnapshotRelation): Fields => ({
  name: relation.name,
  schema: relation.schema,
  kind: relation.kind,
  comment: relation.comment,
  definition: relation.definition,
  partitionKey: relation.partitionKey,
  partitionBound: relation.partitionBound,
  parents: relation.parents,
  ofType: relation.ofType,
  unlogged: relation.unlogged,
  accessMethod: relation.accessMethod,
  options: relation.options,
  rowSecurity: relation.rowSecurity,
  forceRowSecurity: relation.forceRowSecurity,
  replicaIdentity: relation.replicaIdentity,
  replicaIdentityIndex: relation.indexes.find((index) => index.replicaIdentity)?.name ?? null,
  clusteredIndex: relation.indexes.find((index) => index.clustered)?.name ?? null,
  foreign: relation.foreign,
});

export const columnFields = (column: SnapshotColumn): Fields => ({
  name: column.name,
  dataType: column.dataType,
  nullable: !column.notNull,
  default: column.default,
  generated: column.generated,
  generatedKind: column.generatedKind,
  identity: column.identity,
  comment: column.comment,
  collation: column.collation,
  collationSchema: column.collationSchema,
  storage: column.storage,
  compression: column.compression,
  statisticsTarget: column.statisticsTarget,
  options: column.options,
  foreignOptions: column.foreignOptions,
});

export const indexFields = (index: SnapshotIndex): Fields => ({
  name: index.name,
  columns: index.columns,
  unique: index.unique,
  valid: index.valid,
  method: index.method,
  predicate: index.predicate,
  definition: index.definition,
  comment: index.comment,
  parent: index.parent,
  statisticsTargets: index.statisticsTargets,
});

export const constraintFields = (constraint: SnapshotConstraint): Fields => ({
  name: constraint.name,
  kind: constraint.kind,
  columns: constraint.columns,
  definition: constraint.definition,
  deferrable: constraint.deferrable,
  validated: constraint.validated,
  comment: constraint.comment,
});

export const foreignKeyFields = (key: SnapshotForeignKey, constraint: SnapshotConstraint): Fields => ({
  name: key.name,
  columns: key.columns,
  referencedSchema: key.referenced.schema,
  referencedTableName: key.referenced.name,
  referencedColumns: key.referencedColumns,
  onUpdate: key.onUpdate,
  onDelete: key.onDelete,
  definition: constraint.definition,
  deferrable: constraint.deferrable,
  validated: constraint.validated,
  comment: constraint.comment,
});

export const triggerFields = (trigger: SnapshotTrigger): Fields => ({
  name: trigger.name,
  timing: trigger.timing,
  events: trigger.events,
  level: trigger.level,
  enabled: trigger.enabled,
  fires: trigger.fires,
  definition: trigger.definition,
  function: trigger.function,
  comment: trigger.comment,
});

export const policyFields = ({ id: _id, ...policy }: SnapshotPolicy): Fields => policy;

export const enumFields = ({ name, schema, values, comment }: SnapshotEnum): Fields => ({
  name,
  schema,
  values,
  comment,
});

export const sequenceFields = (sequence: SnapshotSequence): Fields => ({
  name: sequence.name,
  schema: sequence.schema,
  dataType: sequence.dataType,
  start: sequence.start,
  increment: sequence.increment,
  minimum: sequence.minimum,
  maximum: sequence.maximum,
  cache: sequence.cache,
  cycle: sequence.cycle,
  unlogged: sequence.unlogged,
  ownedBy: sequence.ownedBy,
  comment: sequence.comment,
});

export const routineFields = (routine: SnapshotRoutine): Fields => ({
  name: routine.name,
  schema: routine.schema,
  kind: routine.kind,
  arguments: routine.arguments,
  returns: routine.returns,
  language: routine.language,
  volatility: routine.volatility,
  securityDefiner: routine.securityDefiner,
  definition: routine.definition,
  aggregate: routine.aggregate,
  comment: routine.comment,
});

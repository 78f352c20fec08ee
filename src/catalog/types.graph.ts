/** The catalogue's types by name, so that each can be described in a file of its own and point to any other. */
import type { ColumnStatistics, Constraint, Policy, RewriteRule } from '../engines/catalog.ts';
import { firings, relationKinds, replicaIdentities } from '../engines/catalog.ts';
import { builder } from '../graph/builder.ts';
import { enumOf } from '../graph/enums.ts';
import type {
  ColumnNode,
  CompositeTypeNode,
  DomainNode,
  EnumTypeNode,
  ForeignKeyNode,
  FunctionNode,
  IndexNode,
  PublicationNode,
  RangeTypeNode,
  SchemaNode,
  SequenceNode,
  TableNode,
  TriggerNode,
} from './nodes.ts';

export const SchemaType = builder.objectRef<SchemaNode>('Schema');
export const TableType = builder.objectRef<TableNode>('Table');
export const ColumnType = builder.objectRef<ColumnNode>('Column');
export const ColumnStatisticsType = builder.objectRef<ColumnStatistics>('ColumnStatistics');
export const IndexType = builder.objectRef<IndexNode>('Index');
export const ConstraintType = builder.objectRef<Constraint>('Constraint');
export const ForeignKeyType = builder.objectRef<ForeignKeyNode>('ForeignKey');
export const TriggerType = builder.objectRef<TriggerNode>('Trigger');
export const PolicyType = builder.objectRef<Policy>('Policy');
export const RuleType = builder.objectRef<RewriteRule>('Rule');
export const FunctionType = builder.objectRef<FunctionNode>('Function');
export const EnumTypeType = builder.objectRef<EnumTypeNode>('EnumType');
export const SequenceType = builder.objectRef<SequenceNode>('Sequence');

export const DomainType = builder.objectRef<DomainNode>('Domain');
export const CompositeTypeType = builder.objectRef<CompositeTypeNode>('CompositeType');
export const RangeTypeType = builder.objectRef<RangeTypeNode>('RangeType');
export const PublicationType = builder.objectRef<PublicationNode>('Publication');

export const TableKindEnum = enumOf('TableKind', relationKinds);
export const FiringEnum = enumOf(
  'Firing',
  firings,
  'In which sessions: ORIGIN not in those that replay changes of another server, REPLICA in those alone.',
);

export const ReplicaIdentityEnum = enumOf(
  'ReplicaIdentity',
  replicaIdentities,
  'What a change of a row tells a subscriber of the old one: its primary key, nothing, all of it, or the columns of an index.',
);

export const TableEdge = builder.edgeObject({ type: TableType, name: 'TableEdge' });
export const TableConnection = builder.connectionObject({ type: TableType, name: 'TableConnection' }, TableEdge);
export const FunctionEdge = builder.edgeObject({ type: FunctionType, name: 'FunctionEdge' });
export const FunctionConnection = builder.connectionObject(
  { type: FunctionType, name: 'FunctionConnection' },
  FunctionEdge,
);

/** Catalogue objects as the graph hands them out: what the engine read, and the database that it was read from. */
import type {
  Column,
  EnumType,
  ForeignKey,
  Index,
  QualifiedName,
  Relation,
  Routine,
  RoutineName,
  Sequence,
  Trigger,
} from '../engines/catalog.ts';

import type { CompositeType, Domain, EventTrigger, Publication, RangeType } from '../engines/snapshot.ts';

interface InCatalog {
  readonly databaseId: string;
}

interface InTable {
  readonly table: QualifiedName;
}

/** Known by its name alone; the rest is read when it is asked for. */
export type SchemaNode = InCatalog & { readonly name: string };
export type TableNode = InCatalog & Relation;
export type ColumnNode = InCatalog & InTable & Column;
export type IndexNode = InCatalog & InTable & Index;
export type ForeignKeyNode = InCatalog & ForeignKey;
export type TriggerNode = InCatalog & Trigger;
export type EnumTypeNode = InCatalog & EnumType;
export type SequenceNode = InCatalog & Sequence;
export type FunctionNode = InCatalog & Routine;

export type DomainNode = InCatalog & Domain;
export type CompositeTypeNode = InCatalog & CompositeType;
export type RangeTypeNode = InCatalog & RangeType;
export type EventTriggerNode = InCatalog & EventTrigger;
export type PublicationNode = InCatalog & Publication;
export type PublishedTableNode = InCatalog & Publication['tables'][number];

/** Names are told apart by all of their parts: no text is a separator that no name can hold. */
export const keyOf = (name: QualifiedName | RoutineName): string =>
  JSON.stringify('identity' in name ? [name.schema, name.name, name.identity] : [name.schema, name.name]);

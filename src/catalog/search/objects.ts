/**
 * What of a snapshot can be found: whatever has a kind and a name. Left out are NOT NULL constraints, which the engine
 * makes and names for each such column. What an extension made is found like everything else that the graph lists.
 */
import type { CatalogSnapshot, SnapshotRelation } from '../../engines/snapshot.ts';
import type { CatalogKind } from './kinds.ts';

export interface Found {
  readonly kind: CatalogKind;
  readonly name: string;
  readonly comment: string | null;
  /** Of a function: what tells it from others of its name. */
  readonly identity?: string;
}

/** A place in the catalogue that holds others: the database itself, a schema, a relation. */
export type Holder = number;

export interface Collector {
  /** Answers what `found` is as a holder of others; `holder` is null for the database. */
  hold(holder: Holder | null, found: Found): Holder;
  add(holder: Holder, found: Found): void;
}

/** What is known of a database that was never read is its name. */
export interface Searchable {
  readonly databaseName: string;
  readonly snapshot: CatalogSnapshot | null;
}

export function collectObjects({ databaseName, snapshot }: Searchable, { hold, add }: Collector): void {
  const database = hold(null, { kind: 'DATABASE', name: databaseName, comment: null });
  if (!snapshot) return;
  const { extensionMembers } = snapshot;
  const schemas = new Map<string, Holder>();

  /** An extension's objects may be in a schema that is nobody's to list. */
  const schemaOf = (name: string): Holder => {
    const known = schemas.get(name);
    if (known !== undefined) return known;
    const made = hold(database, { kind: 'SCHEMA', name, comment: null });
    schemas.set(name, made);
    return made;
  };

  for (const { name, comment } of [...snapshot.schemas, ...extensionMembers.schemas]) {
    schemas.set(name, hold(database, { kind: 'SCHEMA', name, comment }));
  }
  for (const { name, comment } of snapshot.extensions) add(database, { kind: 'EXTENSION', name, comment });
  for (const { name } of snapshot.roles) add(database, { kind: 'ROLE', name, comment: null });
  for (const part of [snapshot, extensionMembers]) {
    for (const relation of part.relations) {
      const { name, comment } = relation;
      collectParts(hold(schemaOf(relation.schema), { kind: 'TABLE', name, comment }), relation, add);
    }
    for (const { schema, name, comment } of part.enums) add(schemaOf(schema), { kind: 'ENUM', name, comment });
    for (const { schema, name, comment } of part.sequences) add(schemaOf(schema), { kind: 'SEQUENCE', name, comment });
    for (const { schema, name, comment, identity } of part.routines) {
      add(schemaOf(schema), { kind: 'FUNCTION', name, comment, identity });
    }
  }
}

function collectParts(relation: Holder, parts: SnapshotRelation, add: Collector['add']): void {
  for (const { name, comment } of parts.columns) add(relation, { kind: 'COLUMN', name, comment });
  for (const { name, comment } of parts.indexes) add(relation, { kind: 'INDEX', name, comment });
  for (const { name, comment, kind } of parts.constraints) {
    if (name === null || kind === 'NOT_NULL') continue;
    add(relation, { kind: kind === 'FOREIGN_KEY' ? 'FOREIGN_KEY' : 'CONSTRAINT', name, comment });
  }
  for (const { name, comment } of parts.triggers) add(relation, { kind: 'TRIGGER', name, comment });
  for (const { name, comment } of parts.policies) add(relation, { kind: 'POLICY', name, comment });
}

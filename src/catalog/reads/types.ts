/** Types and sequences, and what a database has beside tables and functions. */
import type { QualifiedName, RelationKind } from '../../engines/catalog.ts';
import type {
  CompositeTypeNode,
  DomainNode,
  EnumTypeNode,
  EventTriggerNode,
  PublicationNode,
  RangeTypeNode,
  SchemaNode,
  SequenceNode,
  TableNode,
} from '../nodes.ts';
import type { CatalogRequest, Opening } from './opening.ts';
import type { TableReads } from './tables.ts';

export function createTypeReads(
  { loadersOf }: Pick<Opening, 'loadersOf'>,
  { tableDetails }: Pick<TableReads, 'tableDetails'>,
) {
  const reads = {
    async enums(request: CatalogRequest, databaseId: string): Promise<EnumTypeNode[]> {
      return (await loadersOf(request, databaseId)).enums();
    },

    async enumsOfSchema(request: CatalogRequest, { databaseId, name }: SchemaNode): Promise<EnumTypeNode[]> {
      return (await loadersOf(request, databaseId)).enumsOf.load(name);
    },

    async enumNamed(request: CatalogRequest, databaseId: string, name: QualifiedName): Promise<EnumTypeNode | null> {
      return (await loadersOf(request, databaseId)).enumType.load(name);
    },

    async sequences(request: CatalogRequest, { databaseId, name }: SchemaNode): Promise<SequenceNode[]> {
      return (await loadersOf(request, databaseId)).sequencesOf.load(name);
    },

    /** Null before its first use, and where the credentials may not read it. */
    async lastValue(request: CatalogRequest, sequence: SequenceNode): Promise<string | null> {
      return (await loadersOf(request, sequence.databaseId)).lastValue.load(sequence);
    },

    /** What the database has beside relations, routines, enums and sequences. */
    async parts(request: CatalogRequest, databaseId: string) {
      return (await loadersOf(request, databaseId)).parts();
    },

    /** Of one schema, or of all. */
    async domains(request: CatalogRequest, databaseId: string, schema?: string): Promise<DomainNode[]> {
      return inSchema((await reads.parts(request, databaseId)).domains, schema);
    },

    async compositeTypes(request: CatalogRequest, databaseId: string, schema?: string): Promise<CompositeTypeNode[]> {
      return inSchema((await reads.parts(request, databaseId)).compositeTypes, schema);
    },

    async rangeTypes(request: CatalogRequest, databaseId: string, schema?: string): Promise<RangeTypeNode[]> {
      return inSchema((await reads.parts(request, databaseId)).rangeTypes, schema);
    },

    async eventTriggers(request: CatalogRequest, databaseId: string): Promise<EventTriggerNode[]> {
      return (await reads.parts(request, databaseId)).eventTriggers;
    },

    async publications(request: CatalogRequest, databaseId: string): Promise<PublicationNode[]> {
      return (await reads.parts(request, databaseId)).publications;
    },

    /** The composite type of a table OF it. */
    async typeOfTable(request: CatalogRequest, table: TableNode): Promise<CompositeTypeNode | null> {
      const { ofType } = await tableDetails(request, table);
      if (!ofType) return null;
      const types = await reads.compositeTypes(request, table.databaseId, ofType.schema);
      return types.find(({ name }) => name === ofType.name) ?? null;
    },

    /** Those that tell of its changes. */
    async publicationsOfTable(request: CatalogRequest, table: TableNode): Promise<PublicationNode[]> {
      const all = await reads.publications(request, table.databaseId);
      if (all.length === 0 || !publishable.includes(table.kind)) return [];
      const { unlogged } = await tableDetails(request, table);
      return all.filter(
        ({ allTables, schemas, tables }) =>
          (!unlogged && (allTables || schemas.includes(table.schema))) ||
          tables.some((one) => one.table.schema === table.schema && one.table.name === table.name),
      );
    },
  };
  return reads;
}

/** What a publication of all tables has. */
const publishable: readonly RelationKind[] = ['TABLE', 'PARTITIONED_TABLE'];

const inSchema = <Item extends QualifiedName>(items: Item[], schema: string | undefined): Item[] =>
  schema === undefined ? items : items.filter((item) => item.schema === schema);

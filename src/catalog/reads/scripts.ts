/** What is made of a database, or of chosen parts of it: DDL and diagrams. */
import type { DdlSelection } from '../../engines/catalog.ts';
import { AppError, notFound } from '../../lib/errors.ts';
import { decodeId } from '../../lib/ids.ts';
import { type DiagramFormat, diagramFormats } from '../diagrams/formats.ts';
import { readDiagram } from '../diagrams/read.ts';
import { readQualifiedId } from '../ids.ts';
import type { TableNode } from '../nodes.ts';
import type { CatalogRequest, Opening } from './opening.ts';

/** Parts of a database: the schemas and the tables that are named, both where both are; all of it where neither is. */
export interface ChosenParts {
  readonly schemas?: readonly string[] | null | undefined;
  readonly tableIds?: readonly (string | number)[] | null | undefined;
}

/** Schemas and tables that one read can be about. */
const maxChosen = 1_000;

export function createScriptReads({ open, loadersOf }: Pick<Opening, 'open' | 'loadersOf'>) {
  /** What schemas and tables are meant; null where none were named. @throws AppError NOT_FOUND, LIMIT_EXCEEDED */
  async function selectionOf(
    request: CatalogRequest,
    databaseId: string,
    { schemas, tableIds }: ChosenParts,
  ): Promise<DdlSelection | null> {
    if (!schemas && !tableIds) return null;
    const count = (schemas?.length ?? 0) + (tableIds?.length ?? 0);
    if (count > maxChosen) {
      throw new AppError('LIMIT_EXCEEDED', `At most ${maxChosen} schemas and tables can be chosen`, {
        details: { limit: maxChosen, chosen: count },
      });
    }
    const loaders = await loadersOf(request, databaseId);
    const tables = (tableIds ?? []).map((id) => {
      const decoded = decodeId(String(id));
      const found = decoded?.kind === 'Table' ? readQualifiedId(decoded.parts) : null;
      if (found?.databaseId !== databaseId) throw notFound('Table');
      return found.name;
    });
    const there = await Promise.all([
      Promise.all((schemas ?? []).map((name) => loaders.schema.load(name))),
      Promise.all(tables.map((name) => loaders.table.load(name))),
    ]);
    if (there[0].includes(null)) throw notFound('Schema');
    if (there[1].includes(null)) throw notFound('Table');
    return { schemas: schemas ?? [], tables };
  }

  return {
    /** Statements that make the table again, with what it needs; null when it was dropped meanwhile. */
    async tableDdl(request: CatalogRequest, table: TableNode): Promise<string | null> {
      return (await loadersOf(request, table.databaseId)).ddl.load(table);
    },

    /** Of the whole database where nothing is chosen. @throws AppError NOT_FOUND, LIMIT_EXCEEDED */
    async ddl(request: CatalogRequest, databaseId: string, chosen: ChosenParts): Promise<string | null> {
      const { read } = await open(request, databaseId);
      const selection = await selectionOf(request, databaseId, chosen);
      if (!selection) return read((catalog, options) => catalog.ddl(options));
      const [ddl = null] = await read((catalog, options) => catalog.ddlOf([selection], options));
      return ddl;
    },

    /** Of the whole database where nothing is chosen. @throws AppError NOT_FOUND, LIMIT_EXCEEDED */
    async diagram(
      request: CatalogRequest,
      databaseId: string,
      { format, ...chosen }: ChosenParts & { format: DiagramFormat },
    ): Promise<string> {
      const { read } = await open(request, databaseId);
      const selection = await selectionOf(request, databaseId, chosen);
      return diagramFormats[format](await read((catalog, options) => readDiagram(catalog, selection, options)));
    },
  };
}

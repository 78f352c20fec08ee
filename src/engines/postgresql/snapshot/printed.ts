/**
 * Definitions that are printed here as the server prints them, which is most of what a snapshot is read for otherwise. It is
 * asked for one of each shape: where it prints that as we do, all of that shape are right, and where not, it prints them all.
 */
import type { Building } from './building.ts';
import { type Ask, askAbout } from './source.ts';

interface Printed {
  readonly id: string;
  readonly definition: string | null;
}

export interface Definitions {
  /** Takes one with the definition that it should have. @param shape whatever decides how the server prints it but names */
  add(shape: string, item: Building<Printed>): void;
  /** Takes one that the server is to print. */
  ask(item: Building<Printed>): void;
  /** Makes them what the server prints. */
  check(): Promise<void>;
}

/** @param print a function of the server's that takes an oid */
export function createDefinitions(ask: Ask, print: 'pg_get_indexdef' | 'pg_get_constraintdef'): Definitions {
  const byShape = new Map<string, Building<Printed>[]>();
  const asked: Building<Printed>[] = [];

  async function printed(items: readonly Building<Printed>[]): Promise<string[]> {
    const ids = items.map(({ id }) => id);
    const rows = await askAbout(
      ask,
      ids,
      `select ${print}(o.id) from unnest($1::oid[]) with ordinality o (id, place) order by o.place`,
    );
    return rows.map(([definition]) => definition ?? '');
  }

  return {
    add(shape, item) {
      const items = byShape.get(shape);
      if (items) items.push(item);
      else byShape.set(shape, [item]);
    },
    ask(item) {
      asked.push(item);
    },
    async check() {
      const shapes = [...byShape.values()];
      const first = await printed(shapes.map(([one]) => one!));
      const others = [...asked, ...shapes.filter(([one], place) => one!.definition !== first[place]).flat()];
      const definitions = await printed(others);
      for (const [place, item] of others.entries()) item.definition = definitions[place]!;
    },
  };
}

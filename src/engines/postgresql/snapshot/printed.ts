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

/** Those that a server prints alike but for their names. Which shape it is, is said part by part. */
export interface Shape {
  readonly items: Building<Printed>[];
  with(part: string): Shape;
}

export interface Definitions {
  /** Of no parts yet: those are whatever decides how the server prints it but names. Takes items with the definition that they should have. */
  readonly shape: Shape;
  /** Takes one that the server is to print. */
  ask(item: Building<Printed>): void;
  /** Makes them what the server prints. */
  check(): Promise<void>;
}

/** @param print a function of the server's that takes an oid */
export function createDefinitions(ask: Ask, print: 'pg_get_indexdef' | 'pg_get_constraintdef'): Definitions {
  const shapes: Shape[] = [];
  const asked: Building<Printed>[] = [];

  function createShape(): Shape {
    const more = new Map<string, Shape>();
    const shape: Shape = {
      items: [],
      with(part) {
        const known = more.get(part);
        if (known) return known;
        const created = createShape();
        more.set(part, created);
        return created;
      },
    };
    shapes.push(shape);
    return shape;
  }

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
    shape: createShape(),
    ask(item) {
      asked.push(item);
    },
    async check() {
      const some = shapes.flatMap(({ items }) => (items.length === 0 ? [] : [items]));
      const first = await printed(some.map(([one]) => one!));
      const others = [...asked, ...some.filter(([one], place) => one!.definition !== first[place]).flat()];
      const definitions = await printed(others);
      for (const [place, item] of others.entries()) item.definition = definitions[place]!;
    },
  };
}

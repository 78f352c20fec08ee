/** Makes events of the rows of an outbox, in the words of the log: the rest is then the same for both. */
import type { Events } from '../events.ts';
import { MalformedChange, type Relation, type Tuple } from '../pgoutput.ts';
import { type OutboxRow, positionOfPlace } from './outbox.ts';
import { MalformedRecord, parseRecord } from './record.ts';

/** As the function that captures rows writes it. */
interface Shape {
  /** Of the whole, where the rows are of a partition. */
  readonly id: string;
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly (readonly [name: string, type: string, modifier: number, virtual: boolean])[];
}

interface KnownShape {
  readonly relation: Relation;
  /** Of the columns that have values of their own, in the row as it was printed. */
  readonly places: readonly number[];
  readonly width: number;
}

export interface OutboxEvents {
  /** In their order; what it returns is to be waited for. @throws MalformedChange, MalformedRecord */
  row(row: OutboxRow): Promise<void> | undefined;
  /** There are no more rows for now. */
  end(): void;
}

export function createOutboxEvents(events: Events): OutboxEvents {
  /** Of the transaction under way, by partition. */
  const shapes = new Map<number, KnownShape>();
  /** The one that was told last of each whole. */
  const told = new Map<number, KnownShape>();
  let inside: bigint | null = null;

  function end(): void {
    if (inside !== null) events.commit(positionOfPlace(inside));
    inside = null;
  }

  return {
    end,
    row({ place, xid, committedAtMs, relation, op, old, new: created }) {
      if (place !== inside) {
        end();
        inside = place;
        shapes.clear();
        events.begin(positionOfPlace(place), committedAtMs, Number(BigInt(xid) & 0xffff_ffffn));
      }
      if (op === 's') {
        shapes.set(relation, shapeOf(created ?? ''));
        return undefined;
      }
      const shape = shapes.get(relation);
      if (shape === undefined) throw new MalformedChange('a row of an unknown relation');
      const { oid } = shape.relation;
      if (told.get(oid) !== shape) {
        told.set(oid, shape);
        events.relation(shape.relation);
      }
      return events.apply(() => {
        if (op === 'i') events.insert(oid, tuple(shape, created));
        else if (op === 'u') events.update(oid, 'WHOLE', tuple(shape, old), tuple(shape, created));
        else if (op === 'd') events.delete(oid, 'WHOLE', tuple(shape, old));
        else events.truncate([oid]);
      });
    },
  };
}

function tuple({ places, width }: KnownShape, record: string | null): Tuple {
  const values = parseRecord(record ?? '');
  if (values.length !== width) throw new MalformedRecord();
  return places.map((place) => values[place]);
}

function shapeOf(text: string): KnownShape {
  const { id, schema, name, columns } = JSON.parse(text) as Shape;
  const places = columns.flatMap(([, , , virtual], place) => (virtual ? [] : [place]));
  return {
    relation: {
      oid: Number(id),
      schema,
      name,
      // All of an old row is told, whatever would identify it.
      replicaIdentity: 'f',
      columns: places.map((place) => {
        const [column, type, modifier] = columns[place]!;
        return { identity: true, name: column, typeOid: Number(type), typeModifier: modifier };
      }),
    },
    places,
    width: columns.length,
  };
}

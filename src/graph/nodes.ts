/** `node(id)` and `nodes(ids)`: every kind registers the loader that asks can() before it hands an object out. */
import { brandWithType } from '@pothos/core';
import { AppError } from '../lib/errors.ts';
import { decodeId, isUuid } from '../lib/ids.ts';
import { builder } from './builder.ts';
import type { Context } from './context.ts';

/** Null for what is absent and for what the viewer may not see. */
export type LoadNode = (context: Context, parts: string[]) => Promise<object | null>;

const loaders = new Map<string, LoadNode>();

/** @param kind the GraphQL type's name, and the first part of its ids */
export function registerNode(kind: string, load: LoadNode): void {
  if (loaders.has(kind)) throw new Error(`node kind ${kind} is registered twice`);
  loaders.set(kind, load);
}

/** Of a row of the metadata, whose id is one UUID and nothing beside it. */
export function registerRow(kind: string, load: (context: Context, uuid: string) => Promise<object | null>): void {
  registerNode(kind, async (context, [uuid = '', ...rest]) =>
    rest.length === 0 && isUuid(uuid) ? load(context, uuid) : null,
  );
}

const maxNodes = 100;

/** Null as well for an id that none of them knows. */
export async function loadNode(context: Context, id: string): Promise<object | null> {
  const decoded = decodeId(id);
  const load = decoded && loaders.get(decoded.kind);
  if (!load) return null;
  const object = await load(context, decoded.parts);
  // The interface finds the type by this brand.
  if (object) brandWithType(object, decoded.kind as never);
  return object;
}

builder.queryField('node', (t) =>
  t.field({
    type: builder.nodeInterfaceRef(),
    nullable: true,
    description: 'The object with this id; null when it is absent or not visible.',
    // Each loader asks can(); some objects are public.
    authScopes: { public: true },
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, context) => loadNode(context, id),
  }),
);

builder.queryField('nodes', (t) =>
  t.field({
    type: [builder.nodeInterfaceRef()],
    nullable: { list: false, items: true },
    description: `In the order of the ids, at most ${maxNodes}.`,
    authScopes: { public: true },
    args: { ids: t.arg.idList({ required: true }) },
    resolve: (_root, { ids }, context) => {
      if (ids.length > maxNodes) {
        throw new AppError('LIMIT_EXCEEDED', `At most ${maxNodes} ids`, {
          details: { limit: maxNodes, actual: ids.length },
        });
      }
      return Promise.all(ids.map((id) => loadNode(context, id)));
    },
  }),
);

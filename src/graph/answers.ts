/**
 * What an answer is made of, declared as data beside the rights: with it a document is known to be one that a plan can
 * execute (plan.ts), and its answer one that can be kept (kept-answers.ts).
 */
import { type GraphQLField, type GraphQLObjectType, getNamedType, isLeafType, isObjectType } from 'graphql';

/**
 * - `kept`: the same for as long as the databases that were read, what the viewer is to them, and their snapshots are.
 * - `live`: read anew each time.
 * - `told`: in the event of a stream; the same for everybody to whom the event is sent. It has no arguments.
 * Either way a resolver needs of the execution its source, its arguments and the context. What says nothing is neither.
 */
export type Answers = 'kept' | 'live' | 'told';

interface PothosOptions {
  pothosOptions?: { answers?: Answers };
}

const declared = ({ extensions }: { extensions: Readonly<Record<string, unknown>> }): Answers | undefined =>
  (extensions as PothosOptions).pothosOptions?.answers;

/** A field's own word, or its type's; null for a field that leads to what says nothing. */
export function answersOf(type: GraphQLObjectType, field: GraphQLField<unknown, unknown>): Answers | null {
  const named = getNamedType(field.type);
  if (!isLeafType(named) && !isObjectType(named)) return null;
  return declared(field) ?? declared(type) ?? null;
}

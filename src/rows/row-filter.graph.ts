/** The language that chooses rows, as input. */
import { builder } from '../graph/builder.ts';
import { type RowFilterInput, rowFilterLimits } from './row-filter.ts';

/** The scalar's input type has null in it, which Pothos adds itself. */
const nullable = (field: unknown) => field as never;

export const RowFilterInputType = builder.inputRef<RowFilterInput>('RowFilter').implement({
  description: `One column against one operator, or a combination; everything that is given must hold. The same language filters rows, updates, deletes and row changes. At most ${rowFilterLimits.depth} levels, ${rowFilterLimits.parts} parts and ${rowFilterLimits.values} values in one list.`,
  fields: (t) => {
    const value = (description?: string) => nullable(t.field({ type: 'JSON', ...(description && { description }) }));
    return {
      and: t.field({ type: [RowFilterInputType] }),
      or: t.field({ type: [RowFilterInputType] }),
      not: t.field({ type: RowFilterInputType }),
      column: t.string(),
      eq: value('As the cell of a result has it; int8 and numeric best as strings. For null there is isNull.'),
      ne: value(),
      lt: value('Of text byte by byte, whatever the collation.'),
      lte: value(),
      gt: value(),
      gte: value(),
      in: nullable(t.field({ type: ['JSON'] })),
      like: t.string({ description: '% is anything, _ one character, a backslash takes what follows as it is.' }),
      ilike: t.string(),
      isNull: t.boolean(),
    };
  },
});

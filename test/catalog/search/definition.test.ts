/** What a search finds is what the definition says, object by object: no index decides what is found. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededDatabase } from '../../../bench/search/seed.ts';
import { createEditMeter, editsAllowed } from '../../../src/catalog/search/edits.ts';
import { catalogKinds } from '../../../src/catalog/search/kinds.ts';
import { collectObjects, type Found } from '../../../src/catalog/search/objects.ts';
import { joined, wordsOf } from '../../../src/catalog/search/words.ts';
import { createFinder, type Finder } from './finder.ts';

interface Placed extends Found {
  /** Of what it is in, the database first. */
  readonly above: readonly string[];
}

let finder: Finder;
const objects: Placed[] = [];

beforeAll(async () => {
  finder = createFinder();
  for (const number of [3, 4, 5]) {
    const { name, snapshot } = seededDatabase(number, 400);
    await finder.put(name, snapshot);
    const paths: string[][] = [];
    const add = (holder: number, found: Found) => void objects.push({ ...found, above: paths[holder] ?? [] });
    collectObjects(
      { databaseName: name, snapshot },
      {
        add,
        hold(holder, found) {
          const above = holder === null ? [] : paths[holder]!;
          objects.push({ ...found, above });
          return paths.push([...above, found.name]) - 1;
        },
      },
    );
  }
});
afterAll(() => finder[Symbol.asyncDispose]());

/** Whether a word of some text was meant by a word that was typed. */
function mistyped(term: string, word: string): boolean {
  const maxEdits = editsAllowed(term);
  if (maxEdits === 0) return false;
  const meter = createEditMeter(term, maxEdits);
  const units = Uint16Array.from({ length: word.length }, (_, place) => word.charCodeAt(place));
  const whole = meter.measure(units, 0, word.length) <= maxEdits;
  meter.measure(units, 0, Math.min(word.length, term.length + maxEdits));
  return whole || (word[0] === term[0] && meter.begun() <= maxEdits);
}

interface Asked {
  readonly terms: readonly string[];
  readonly last: readonly string[] | null;
}

/** The words that a name answers. */
function answeredBy(name: string, { terms, last }: Asked): Set<string> {
  const words = wordsOf(name);
  const whole = joined(words);
  const least = terms.length > 1 ? 2 : 1;
  const found = terms.filter((term) => {
    const begun = (word: string) => word === term || (term.length >= least && word.startsWith(term));
    return [...words, whole].some(begun) || words.some((word) => mistyped(term, word));
  });
  const together = last ?? terms;
  if (terms.length > 1 && [...words, whole].some((word) => word.startsWith(joined(together)))) found.push(...together);
  return new Set(found);
}

const commentAnswers = (comment: string, { terms }: Asked): Set<string> =>
  new Set(
    terms.filter((term) =>
      wordsOf(comment).some(
        (word) => word === term || (term.length >= 3 && word.startsWith(term)) || mistyped(term, word),
      ),
    ),
  );

function isHit({ name, comment, above }: Placed, asked: Asked): boolean {
  const own = answeredBy(name, asked).union(comment ? commentAnswers(comment, asked) : new Set());
  if (own.size === 0) return false;
  const path = asked.terms.length > 1 ? above.map((holder) => answeredBy(holder, asked)) : [];
  return asked.terms.every((term) => own.has(term) || path.some((answers) => answers.has(term)));
}

const texts =
  `id|created|created_at|CreatedAt|customer|custmer|customers|order id|id order|public id|public.id|i|e|the|each|
  each order|the status|order status|invoice payment|paymnt trnsaction|organisation|pkey|_idx|customer_id_idx|sate|stte|
  public.order_customer.id|order.id|orderid|orderId|plan.status|2|zzz|a b|it in|created by name|tpye|tenant|tenantid|
  public status|public the|stage stats|stagestats|log tmp view|first last name|updtaed|updated at public`
    .split('|')
    .map((text) => text.trim());

test.each(texts)('%s', async (text) => {
  const parts = text.split('.').map(wordsOf);
  const asked = { terms: [...new Set(parts.flat())], last: parts.length > 1 ? parts.at(-1)! : null };
  const expected = objects.filter((object) => isHit(object, asked));
  const found = await finder.pages(text, 100);
  const told = ({ kind, name }: { kind: string; name: string }, above: string) => `${kind} ${above} ${name}`;
  expect(found.map((hit) => told(hit, hit.path)).toSorted()).toEqual(
    expected.map((object) => told(object, [...object.above, object.name].join('.'))).toSorted(),
  );
  for (const kind of ['COLUMN', 'TABLE'] as const) {
    const { total } = await finder.search({ text, kinds: [kind], first: 1 });
    expect(total).toBe(expected.filter((object) => object.kind === kind).length);
  }
  expect(new Set(found.map(({ kind }) => kind)).isSubsetOf(new Set(catalogKinds))).toBe(true);
});

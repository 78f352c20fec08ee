/** What a search finds, and how good it is, is what the definition says, object by object: no index decides. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededDatabase } from '../../../bench/search/seed.ts';
import { createEditMeter, editsAllowed } from '../../../src/catalog/search/edits.ts';
import { catalogKinds } from '../../../src/catalog/search/kinds.ts';
import { collectObjects, type Found } from '../../../src/catalog/search/objects.ts';
import {
  exactPathPoints,
  maxPoints,
  type Place,
  places,
  pointsOfComment,
  pointsOfKind,
  pointsOfName,
  tiers,
} from '../../../src/catalog/search/score.ts';
import { joined, wordsOf } from '../../../src/catalog/search/words.ts';
import type { CatalogSnapshot } from '../../../src/engines/snapshot.ts';
import { catalogue } from './catalogue.ts';
import { createFinder, type Finder } from './finder.ts';

interface Placed extends Found {
  /** Of what it is in, the database first. */
  readonly above: readonly string[];
}

let finder: Finder;
const objects: Placed[] = [];

/** The same words as names of everything, one within the other, and what an extension made among them. */
function nested(): CatalogSnapshot {
  const columns = ['id', 'order', 'public', 'status', ['created_at', 'When the order was created'] as const];
  const tables = ['order', 'Order', 'public_orders', 'id', 'status_ids', 'orderid'].map((name) => ({
    name: name === 'id' ? ([name, 'The id of each order'] as const) : name,
    columns,
    indexes: [`${name}_pkey`, 'order_id_idx'],
    constraints: [`${name}_pkey`],
  }));
  const own = catalogue({
    schemas: [
      { name: 'public', tables, enums: ['order', 'order_status'], functions: ['order(text)', 'order(public)'] },
      { name: 'order', tables: tables.slice(2, 4), sequences: ['public_id_seq', 'order'] },
      { name: 'id' },
      { name: 'publc_orders', tables: tables.slice(0, 2) },
      { name: 'order_public', tables: tables.slice(0, 1) },
    ],
    extensions: ['order', ['public_id', 'Makes an id public']],
    roles: ['order', 'id'],
  });
  const made = catalogue({
    schemas: [
      { name: 'public', tables: [{ name: 'order_made', columns }] },
      { name: 'unlisted', tables },
    ],
  });
  return { ...own, extensionMembers: { ...own.extensionMembers, relations: made.relations } };
}

beforeAll(async () => {
  finder = createFinder();
  const seeded = [3, 4, 5].map((number) => seededDatabase(number, 400));
  for (const { name, snapshot } of [...seeded, { name: 'orders 7', snapshot: nested() }]) {
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

interface Asked {
  readonly terms: readonly string[];
  /** In their order, as often as they are there. */
  readonly words: readonly string[];
  readonly last: readonly string[] | null;
}

/** Words that are answered: to the letter, or by a beginning, too, or but for one typing error, or at all. */
interface Answered {
  readonly exact: ReadonlySet<string>;
  readonly sure: ReadonlySet<string>;
  readonly near: ReadonlySet<string>;
  readonly any: ReadonlySet<string>;
}

/** How many typing errors a word has where another one was typed: of a beginning of it more than one; null where it is too many. */
function typos(term: string, word: string): number | null {
  const maxEdits = editsAllowed(term);
  if (maxEdits === 0) return null;
  const meter = createEditMeter(term, maxEdits);
  const units = Uint16Array.from({ length: word.length }, (_, place) => word.charCodeAt(place));
  const edits = meter.measure(units, 0, word.length);
  if (edits <= maxEdits) return edits;
  meter.measure(units, 0, Math.min(word.length, term.length + maxEdits));
  return word[0] === term[0] && meter.begun() <= maxEdits ? 2 : null;
}

function answers(words: readonly string[], wholes: readonly string[], asked: Asked, least: number): Answered {
  const { terms, last } = asked;
  const all = [...words, ...wholes];
  const together = terms.length > 1 && wholes.length > 0 ? (last ?? terms) : [];
  const whole = joined(last ?? asked.words);
  const isExact = (term: string) => all.includes(term) || (together.includes(term) && all.includes(whole));
  const isBegun = (term: string) => term.length >= least && all.some((word) => word.startsWith(term));
  const begins = all.some((word) => word.startsWith(whole));
  const exact = terms.filter(isExact);
  const sure = terms.filter((term) => exact.includes(term) || isBegun(term) || (together.includes(term) && begins));
  const ways = terms.map((term) => words.filter((word) => !word.startsWith(term)).map((word) => typos(term, word)));
  return {
    exact: new Set(exact),
    sure: new Set(sure),
    near: new Set(terms.filter((_, place) => ways[place]!.includes(1))),
    any: new Set(terms.filter((term, place) => sure.includes(term) || ways[place]!.some((edits) => edits !== null))),
  };
}

const ofName = (name: string, asked: Asked): Answered =>
  answers(wordsOf(name), [joined(wordsOf(name))], asked, asked.terms.length > 1 ? 2 : 1);
const ofComment = (comment: string | null, asked: Asked): Answered => answers(wordsOf(comment ?? ''), [], asked, 3);

const bits = (count: number): number => 2 ** count - 1;

interface Rated {
  readonly name: string;
  /** What the name has to answer, and what they are together. */
  readonly terms: readonly string[];
  readonly whole: string;
  readonly place: Place;
  readonly above: Answered;
  readonly rest: readonly string[];
}

function rate({ name, terms, whole, place, above, rest }: Rated, own: Answered): number {
  const ofIts = joined(wordsOf(name));
  const isSure = terms.every((term) => own.sure.has(term)) && rest.every((term) => above.sure.has(term));
  const exact = terms.filter((term) => own.exact.has(term));
  const isReordered = ofIts !== whole && ofIts.length === whole.length && exact.length === terms.length;
  const isWhole = isSure && (ofIts === whole || isReordered);
  const tier = isWhole ? tiers.exact : !isSure ? tiers.typos : ofIts.startsWith(whole) ? tiers.prefix : tiers.words;
  const unsure = terms.filter((term) => !own.sure.has(term));
  const near = unsure.filter((term) => own.near.has(term));
  const sureness = 1 - (near.length / 2 + ((unsure.length - near.length) * 3) / 4) / terms.length;
  const points = pointsOfName({
    tier,
    place,
    askedLetters: isWhole ? ofIts.length : Math.min(whole.length, ofIts.length) * sureness,
    nameLetters: ofIts.length,
    terms: bits(terms.length),
    exactTerms: isWhole && isReordered ? 0 : bits(exact.length),
  });
  // A path whose words are sure, and all of them to the letter.
  const isExactPath = rest.length > 0 && rest.every((term) => above.exact.has(term));
  return isExactPath ? points + exactPathPoints : points;
}

/** Null for what is not found. */
function pointsOf({ kind, name, comment, above }: Placed, asked: Asked): number | null {
  const { terms, words, last } = asked;
  const own = ofName(name, asked);
  const paths = terms.length > 1 ? above.map((holder) => ofName(holder, asked)) : [];
  const union = (part: keyof Answered) => new Set(paths.flatMap((answered) => [...answered[part]]));
  const path: Answered = { exact: union('exact'), sure: union('sure'), near: union('near'), any: union('any') };
  const ofKind = pointsOfKind(catalogKinds.indexOf(kind));
  if (own.any.size > 0 && terms.every((term) => own.any.has(term) || path.any.has(term))) {
    const rest = terms.filter((term) => !own.any.has(term));
    const beside = terms.filter((term) => !last?.includes(term));
    const isDotted = last?.every((term) => own.any.has(term)) && beside.every((term) => path.any.has(term));
    const dotted = isDotted ? last : null;
    const rated: Rated = dotted
      ? { name, terms: [...new Set(dotted)], whole: joined(dotted), place: places.dotted, above: path, rest: beside }
      : {
          name,
          terms: [...own.any],
          whole: joined(words.filter((word) => own.any.has(word))),
          place: rest.length === 0 ? places.name : places.path,
          above: path,
          rest,
        };
    return rate(rated, own) + ofKind;
  }
  const said = ofComment(comment, asked);
  if (said.any.size === 0) return null;
  if (!terms.every((term) => said.any.has(term) || own.any.has(term) || path.any.has(term))) return null;
  return pointsOfComment({ terms: bits(said.any.size), exactTerms: bits(said.exact.size) }) + ofKind;
}

const texts =
  `id|created|created_at|CreatedAt|customer|custmer|customers|order id|id order|public id|public.id|i|e|the|each|
  each order|the status|order status|invoice payment|paymnt trnsaction|organisation|pkey|_idx|customer_id_idx|sate|stte|
  public.order_customer.id|order.id|orderid|orderId|plan.status|2|zzz|a b|it in|created by name|tpye|tenant|tenantid|
  public status|public the|stage stats|stagestats|log tmp view|first last name|updtaed|updated at public|
  public.order.id|order.order|order.public.id|id.id|id id|public order id|order public status|publc ordr|pub id|pub.ord|
  order.id.order|publc.ordr.staus|orders|orders 7|7.id|order_id.created|public.order_id|order created id|id.order created|
  unlisted id|unlisted.orderid.public|order.status_ids.created at|made public|ordermade.id|public.unlisted`
    .split('|')
    .map((text) => text.trim());

test.each(texts)('%s', async (text) => {
  const parts = text.split('.').map(wordsOf);
  const words = parts.flat();
  const asked = { terms: [...new Set(words)], words, last: parts.length > 1 ? parts.at(-1)! : null };
  const expected = objects.flatMap((object) => {
    const points = pointsOf(object, asked);
    return points === null ? [] : [{ ...object, points }];
  });
  const told = ({ kind, name, points }: { kind: string; name: string; points: number }, above: string) =>
    `${kind} ${above} ${name} ${points}`;
  const all = expected.map((object) => told(object, [...object.above, object.name].join('.')));
  // Of the best hits of a page only those are looked at that may come to it.
  for (const first of [23, 100]) {
    const found = await finder.pages(text, first);
    const hits = found.map((hit) => told({ ...hit, points: Math.round(hit.score * maxPoints) }, hit.path));
    expect(hits.toSorted()).toEqual(all.toSorted());
  }
  for (const kind of ['COLUMN', 'TABLE'] as const) {
    const { total } = await finder.search({ text, kinds: [kind], first: 1 });
    expect(total).toBe(expected.filter((object) => object.kind === kind).length);
  }
});

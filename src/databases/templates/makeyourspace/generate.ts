/** The rows of MAKEYOURSPACE: invented, plausible, the same for the same seed. index.ts puts them into a database. */
import { createRandom, type Random } from './random.ts';
import * as words from './words.ts';

/** A row as JSON: names of columns, money as text, times in ISO 8601. */
export type Row = Record<string, unknown>;

export interface TableRows {
  table: string;
  /** Every row has the same columns. */
  rows: readonly Row[];
}

const dayMs = 86_400_000;
const hourMs = 3_600_000;
/** The sample's life: from its first day to the moment behind its last one. */
const firstDay = Date.UTC(2023, 0, 1);
const end = Date.UTC(2026, 0, 1);
const days = (end - firstDay) / dayMs;

const counts = { accounts: 3_000, follows: 7_000, posts: 8_000, replies: 9_000, priceCuts: 2_500 } as const;

interface Account {
  id: number;
  createdAt: number;
  currency: string;
  active: boolean;
}

interface Post {
  id: number;
  sellerId: number;
  currency: string;
  priceCents: number;
  publishedAt: number | null;
  soldAt: number | null;
}

type Rates = ReadonlyMap<string, readonly string[]>;

/** All tables, each behind those that its rows refer to. */
export function generateMakeyourspace({ seed }: { seed: string }): TableRows[] {
  const rates = quoteRates(createRandom(seed, 'rates'));
  const accounts = openAccounts(createRandom(seed, 'accounts'));
  const posts = writePosts(createRandom(seed, 'posts'), accounts.people, rates);
  return [
    { table: 'currencies', rows: currencyRows() },
    { table: 'exchange_rates', rows: rateRows(rates) },
    { table: 'fee_schedules', rows: feeRows },
    { table: 'accounts', rows: accounts.rows },
    { table: 'roles', rows: roleRows() },
    { table: 'account_roles', rows: grantRows(createRandom(seed, 'grants'), accounts.people, posts.posts) },
    { table: 'follows', rows: followRows(createRandom(seed, 'follows'), accounts.people) },
    { table: 'categories', rows: categoryRows() },
    { table: 'posts', rows: posts.rows },
    { table: 'replies', rows: replyRows(createRandom(seed, 'replies'), accounts.people, posts.posts) },
    { table: 'purchases', rows: purchaseRows(createRandom(seed, 'purchases'), accounts.people, posts.posts, rates) },
    { table: 'audit_entries', rows: priceCutRows(createRandom(seed, 'price cuts'), posts.posts) },
  ];
}

const feeRows: Row[] = [
  { period: '[2023-01-01,2023-07-01)', percent: '0' },
  { period: '[2023-07-01,2024-07-01)', percent: '3.50' },
  { period: '[2024-07-01,2025-07-01)', percent: '4.25' },
  { period: '[2025-07-01,)', percent: '4.50' },
];

function feePercentOn(time: number): string {
  const day = dayOf(time);
  return String(feeRows.findLast((fee) => String(fee.period).slice(1, 11) <= day)!.percent);
}

const currencyRows = (): Row[] =>
  words.currencies.map(([code, name, symbol, decimals]) => ({ code, name, symbol, decimals }));

/** A walk of small steps, pulled back to where it began: at most 0.6 % a day. The euro stays 1. */
function quoteRates(random: Random): Rates {
  return new Map(
    words.currencies.map(([code, , , , start]) => {
      let rate: number = start;
      const quotes = Array.from({ length: days }, () => {
        if (code !== 'EUR') rate *= 1 + random.between(-500, 500) / 100_000 + ((start - rate) / start) * 0.01;
        return rate.toFixed(8);
      });
      return [code, quotes];
    }),
  );
}

/** Day by day, as they were quoted. */
const rateRows = (rates: Rates): Row[] =>
  Array.from({ length: days }, (_, index) =>
    [...rates].map(([currency_code, quotes]) => ({
      currency_code,
      day: dayOf(firstDay + index * dayMs),
      rate: quotes[index]!,
    })),
  ).flat();

const rateAt = (rates: Rates, currency: string, time: number): string =>
  rates.get(currency)![Math.floor((time - firstDay) / dayMs)]!;

function openAccounts(random: Random): { people: Account[]; rows: Row[] } {
  const people: Account[] = [];
  const slugs = words.categories.map((category) => category.slug);
  const rows = Array.from({ length: counts.accounts }, (_, index): Row => {
    const id = index + 1;
    const createdAt = growing(random, index, counts.accounts, firstDay, end);
    const [country, currency] = random.pick(words.countries);
    const given = random.pick(words.openings) + random.pick(words.middles) + random.pick(words.closings);
    const family = random.pick(words.openings) + random.pick(words.middles) + random.pick(words.surnameClosings);
    // The number makes it unique, whatever chance made of the syllables.
    const handle = `${given}_${id}`.toLowerCase();
    const status = random.percent(2) ? 'suspended' : random.percent(3) ? 'closed' : 'active';
    people.push({ id, createdAt, currency, active: status === 'active' });
    return {
      id,
      public_id: random.uuid(),
      handle,
      display_name: `${given} ${family}`,
      email: `${handle}@mail.example`,
      status,
      country,
      currency_code: currency,
      balance_eur: money(random.early(400_000)),
      referred_by: index > 0 && random.percent(35) ? random.early(index) + 1 : null,
      interests: random.sample(slugs, random.below(4)),
      preferences: {
        theme: random.pick(['light', 'dark', 'system']),
        language: random.pick(['en', 'de', 'fr', 'es', 'pl']),
        newsletter: random.percent(30),
      },
      created_at: iso(createdAt),
      updated_at: iso(createdAt),
    };
  });
  return { people, rows };
}

const roleRows = (): Row[] =>
  words.roles.map(([name, description, permissions], index) => ({ id: index + 1, name, description, permissions }));

function grantRows(random: Random, people: readonly Account[], posts: readonly Post[]): Row[] {
  const [member, seller, moderator, treasurer, administrator] = words.roles.map((_, index) => index + 1);
  const row = (account: number, role: number | undefined, by: number | null, at: number): Row => ({
    account_id: account,
    role_id: role,
    granted_by: by,
    granted_at: iso(at),
  });
  const firstPosts = new Map<number, number>();
  for (const post of posts) {
    if (post.publishedAt !== null && !firstPosts.has(post.sellerId)) firstPosts.set(post.sellerId, post.publishedAt);
  }
  return [
    ...people.map((person) => row(person.id, member, null, person.createdAt)),
    ...[...firstPosts].map(([id, at]) => row(id, seller, null, at)),
    row(1, administrator, null, people[0]!.createdAt),
    ...people.slice(1, 4).map((person) => row(person.id, treasurer, 1, person.createdAt + dayMs)),
    ...random.sample(people.slice(4, 400), 40).map((person) => row(person.id, moderator, 1, person.createdAt + dayMs)),
  ];
}

function followRows(random: Random, people: readonly Account[]): Row[] {
  const seen = new Set<string>();
  const rows: Row[] = [];
  while (rows.length < counts.follows) {
    const follower = random.pick(people);
    const followed = people[random.early(people.length)]!;
    const pair = `${follower.id} ${followed.id}`;
    if (follower === followed || seen.has(pair)) continue;
    seen.add(pair);
    const since = Math.max(follower.createdAt, followed.createdAt);
    rows.push({
      follower_id: follower.id,
      followed_id: followed.id,
      followed_at: iso(since + random.below(end - since)),
    });
  }
  return rows;
}

/** Top categories are numbered 1 … n, their leaves from n + 1 on. */
function categoryRows(): Row[] {
  const tops = words.categories.map(({ slug, name }, index) => ({ id: index + 1, parent_id: null, slug, name }));
  return [
    ...tops,
    ...leaves.map(({ id, parentId, kind }) => ({ id, parent_id: parentId, slug: kind.slug, name: kind.name })),
  ];
}

const leaves = words.categories
  .flatMap((category, index) => category.kinds.map((kind) => ({ parentId: index + 1, kind })))
  .map((leaf, index) => ({ ...leaf, id: words.categories.length + index + 1 }));

function writePosts(random: Random, people: readonly Account[], rates: Rates): { posts: Post[]; rows: Row[] } {
  const posts: Post[] = [];
  const rows = Array.from({ length: counts.posts }, (_, index): Row => {
    const createdAt = growing(random, index, counts.posts, firstDay + 30 * dayMs, end);
    const seller = people[random.early(accountsAt(people, createdAt))]!;
    const { id: categoryId, kind } = random.pick(leaves);
    const thing = random.pick(kind.things);
    const euros = kind.cheapest + random.early(kind.dearest - kind.cheapest);
    const priceCents = tidy(euros * Number(rateAt(rates, seller.currency, createdAt)));

    const published = createdAt + random.below(3 * dayMs);
    const publishedAt = random.percent(4) || published >= end ? null : published;
    const sale = published + hourMs + random.early(60 * dayMs);
    const soldAt = publishedAt !== null && random.percent(50) && sale < end ? sale : null;
    const status =
      publishedAt === null ? 'draft' : soldAt !== null ? 'sold' : random.percent(15) ? 'withdrawn' : 'listed';
    posts.push({ id: index + 1, sellerId: seller.id, currency: seller.currency, priceCents, publishedAt, soldAt });
    return {
      id: index + 1,
      public_id: random.uuid(),
      seller_id: seller.id,
      category_id: categoryId,
      status,
      title: `${random.pick(words.adjectives)} ${thing}${random.pick(words.endings)}`,
      description: [words.origins, words.states, words.handovers].map((choices) => random.pick(choices)).join(' '),
      condition: random.pick(['new', 'like_new', 'like_new', 'good', 'good', 'good', 'fair', 'for_parts']),
      price: money(priceCents),
      currency_code: seller.currency,
      tags: random.sample(words.tags, random.below(4)),
      attributes: {
        colour: random.pick(words.colours),
        year: 2026 - random.early(50) - 1,
        weight_g: random.between(1, 200) * 50,
        ships: random.percent(60),
      },
      created_at: iso(createdAt),
      published_at: publishedAt === null ? null : iso(publishedAt),
      sold_at: soldAt === null ? null : iso(soldAt),
      updated_at: iso(soldAt ?? publishedAt ?? createdAt),
    };
  });
  return { posts, rows };
}

/** Threads below published posts: a question by anybody, then answers to some reply of the thread. */
function replyRows(random: Random, people: readonly Account[], posts: readonly Post[]): Row[] {
  const published = posts.filter((post) => post.publishedAt !== null);
  const rows: Row[] = [];
  while (rows.length < counts.replies) {
    const post = random.pick(published);
    const last = Math.min(end, (post.soldAt ?? end) + dayMs);
    let at = post.publishedAt! + random.early(last - post.publishedAt!);
    const asker = people[random.early(accountsAt(people, at))]!;
    const thread: number[] = [];
    for (let left = random.between(1, 5); left > 0 && at < last && rows.length < counts.replies; left--) {
      const id = rows.length + 1;
      const isAnswer = thread.length % 2 === 1;
      rows.push({
        id,
        post_id: post.id,
        parent_id: thread.length === 0 ? null : random.pick(thread),
        author_id: isAnswer ? post.sellerId : asker.id,
        body: thread.length === 0 ? random.pick(words.questions) : random.pick(words.answers),
        created_at: iso(at),
      });
      thread.push(id);
      at += random.between(1, 40) * hourMs;
    }
  }
  return rows;
}

function purchaseRows(random: Random, people: readonly Account[], posts: readonly Post[], rates: Rates): Row[] {
  const active = people.filter((person) => person.active);
  const sales = posts.flatMap((post) => (post.soldAt === null ? [] : [{ ...post, soldAt: post.soldAt }]));
  return sales
    .sort((a, b) => a.soldAt - b.soldAt || a.id - b.id)
    .map((sale, index): Row => {
      const candidates = accountsAt(active, sale.soldAt);
      let buyer = active[random.below(candidates)]!;
      while (buyer.id === sale.sellerId) buyer = active[random.below(candidates)]!;
      const ageDays = (end - sale.soldAt) / dayMs;
      const status = ageDays < 2 ? 'paid' : ageDays < 8 ? 'shipped' : random.percent(3) ? 'refunded' : 'delivered';
      const updatedAt = status === 'paid' ? sale.soldAt : sale.soldAt + random.below(2 * dayMs);
      return {
        id: index + 1,
        post_id: sale.id,
        seller_id: sale.sellerId,
        buyer_id: buyer.id,
        status,
        price: money(sale.priceCents),
        currency_code: sale.currency,
        rate_day: dayOf(sale.soldAt),
        rate: rateAt(rates, sale.currency, sale.soldAt),
        fee_percent: feePercentOn(sale.soldAt),
        rating: status === 'delivered' && random.percent(70) ? 5 - random.early(5) : null,
        purchased_at: iso(sale.soldAt),
        updated_at: iso(updatedAt),
      };
    });
}

/** Sellers who lowered a price before it became what it is. */
function priceCutRows(random: Random, posts: readonly Post[]): Row[] {
  return random
    .sample(
      posts.filter((post) => post.publishedAt !== null),
      counts.priceCuts,
    )
    .map((post) => ({ post, at: post.publishedAt! + random.below((post.soldAt ?? end) - post.publishedAt!) }))
    .sort((a, b) => a.at - b.at || a.post.id - b.post.id)
    .map(({ post, at }, index) => ({
      id: index + 1,
      table_name: 'posts',
      row_id: post.id,
      action: 'UPDATE',
      changes: {
        price: {
          old: tidy((post.priceCents / 100 + 1) * (1.05 + random.below(40) / 100)) / 100,
          new: post.priceCents / 100,
        },
      },
      account_id: post.sellerId,
      at: iso(at),
    }));
}

/** The time of the index-th of `total` events between two times: in order, and more of them as time goes on. */
function growing(random: Random, index: number, total: number, from: number, to: number): number {
  const share = Math.sqrt((index + random.below(1_000) / 1_000) / total);
  return from + Math.floor(share * (to - from));
}

/** How many accounts there were at a time: people are ordered by their beginning. At least two, so that they trade. */
function accountsAt(people: readonly Account[], time: number): number {
  let low = 2;
  let high = people.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (people[middle]!.createdAt <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Hundredths of an amount, as people set prices: whole units above ten, fifty hundredths below, never 0. */
function tidy(amount: number): number {
  return amount > 10 ? Math.round(amount) * 100 : Math.max(50, Math.round(amount * 2) * 50);
}

const money = (cents: number): string => (cents / 100).toFixed(2);
const iso = (time: number): string => new Date(time).toISOString();
const dayOf = (time: number): string => iso(time).slice(0, 10);

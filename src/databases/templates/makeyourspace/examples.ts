/** Queries that show the sample off, in GraphiQL tabs and in the README: they only read, for nobody in particular. */

export interface ExampleQuery {
  name: string;
  /** One statement, three lines at the most. */
  sql: string;
}

export const exampleQueries: readonly ExampleQuery[] = [
  {
    name: 'Best sellers',
    sql: `SELECT handle, posts_sold, earned_eur, average_rating
FROM seller_statistics ORDER BY earned_eur DESC LIMIT 10`,
  },
  {
    name: 'Revenue as it grew',
    sql: `SELECT month, sum(revenue_eur) AS revenue_eur, sum(sum(revenue_eur)) OVER (ORDER BY month) AS so_far_eur
FROM sales_by_month GROUP BY month ORDER BY month`,
  },
  {
    name: 'Search by words',
    sql: `SELECT title, category, price_eur, seller, tags FROM search_posts('camera -restored', 25)`,
  },
  {
    name: 'Dollar, smoothed over 30 days',
    sql: `SELECT day, rate, round(avg(rate) OVER (ORDER BY day ROWS 29 PRECEDING), 4) AS smoothed
FROM exchange_rates WHERE currency_code = 'USD' ORDER BY day`,
  },
  {
    name: 'Deepest price cuts',
    sql: `SELECT title, changes #>> '{price,old}' AS old, price, currency_code
FROM audit_entries JOIN posts ON posts.id = row_id AND table_name = 'posts'
ORDER BY price / (changes #>> '{price,old}')::numeric LIMIT 20`,
  },
  {
    name: 'Who brought the most people',
    sql: `WITH RECURSIVE tree AS (SELECT id AS root, id FROM accounts WHERE referred_by IS NULL
  UNION ALL SELECT root, a.id FROM accounts a JOIN tree ON a.referred_by = tree.id)
SELECT handle, count(*) - 1 AS people FROM tree JOIN accounts a ON a.id = root GROUP BY a.id ORDER BY 2 DESC LIMIT 10`,
  },
  {
    name: 'Every exchange rate, to page through',
    sql: 'SELECT day, currency_code, rate FROM exchange_rates ORDER BY day DESC, currency_code',
  },
];

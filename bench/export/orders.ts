/** What is exported: a table of eight columns of mixed types, about 135 bytes a row as CSV. */
export const createOrders = (rows: number): string => `
  CREATE UNLOGGED TABLE orders AS
  SELECT n::bigint AS id,
         'customer ' || n % 100000 AS customer,
         (n * 1.37)::numeric(12,2) AS total,
         sin(n) AS score,
         n % 2 = 0 AS paid,
         timestamptz '2024-01-01 00:00:00+00' + n * interval '1.000001 s' AS ordered_at,
         md5(n::text)::uuid AS reference,
         CASE WHEN n % 10 = 0 THEN NULL
              WHEN n % 5 = 0 THEN 'left "at the door", behind ' || n
              ELSE 'a note' END AS note
    FROM generate_series(1, ${rows}) AS n;`;

export const selectOrders = 'SELECT * FROM orders';

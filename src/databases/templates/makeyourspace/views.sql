-- What readers ask most. Views that only count run with their owner's rights: they tell totals, and no purchase.

CREATE VIEW current_exchange_rates AS
SELECT DISTINCT ON (currency_code) currency_code, day, rate
FROM exchange_rates
ORDER BY currency_code, day DESC;
COMMENT ON VIEW current_exchange_rates IS 'The last known rate of each currency.';
COMMENT ON COLUMN current_exchange_rates.currency_code IS 'The currency quoted.';
COMMENT ON COLUMN current_exchange_rates.day IS 'Day of the rate.';
COMMENT ON COLUMN current_exchange_rates.rate IS 'Units of the currency that one euro buys.';

CREATE VIEW category_paths AS
WITH RECURSIVE tree AS (
  SELECT id, id AS root_id, 1 AS depth, name AS path FROM categories WHERE parent_id IS NULL
  UNION ALL
  SELECT child.id, tree.root_id, tree.depth + 1, tree.path || ' / ' || child.name
  FROM categories child JOIN tree ON child.parent_id = tree.id
)
SELECT id, root_id, depth, path FROM tree;
COMMENT ON VIEW category_paths IS 'Each category with the way to it from the top.';
COMMENT ON COLUMN category_paths.id IS 'The category.';
COMMENT ON COLUMN category_paths.root_id IS 'Top category above it, or itself.';
COMMENT ON COLUMN category_paths.depth IS '1 at the top.';
COMMENT ON COLUMN category_paths.path IS 'Names from the top down, with slashes between.';

CREATE VIEW post_listings WITH (security_invoker = true) AS
SELECT
  post.id,
  post.title,
  path.path AS category,
  post.condition,
  post.price,
  post.currency_code,
  round(post.price / quote.rate, 2) AS price_eur,
  seller.handle AS seller,
  seller.country,
  post.tags,
  post.published_at
FROM posts post
JOIN accounts seller ON seller.id = post.seller_id
JOIN category_paths path ON path.id = post.category_id
JOIN current_exchange_rates quote ON quote.currency_code = post.currency_code
WHERE post.status = 'listed' AND seller.status = 'active';
COMMENT ON VIEW post_listings IS 'What can be bought now, with its price in euros at the last known rate.';
COMMENT ON COLUMN post_listings.id IS 'The post.';
COMMENT ON COLUMN post_listings.title IS 'Headline.';
COMMENT ON COLUMN post_listings.category IS 'Names of its categories from the top down.';
COMMENT ON COLUMN post_listings.condition IS 'How worn it is.';
COMMENT ON COLUMN post_listings.price IS 'What it costs, in currency_code.';
COMMENT ON COLUMN post_listings.currency_code IS 'Currency of the price.';
COMMENT ON COLUMN post_listings.price_eur IS 'What it costs in euros.';
COMMENT ON COLUMN post_listings.seller IS 'Handle of the seller.';
COMMENT ON COLUMN post_listings.country IS 'Country of the seller.';
COMMENT ON COLUMN post_listings.tags IS 'Words to find it by.';
COMMENT ON COLUMN post_listings.published_at IS 'When it was listed.';

CREATE VIEW seller_statistics AS
SELECT
  seller.id AS account_id,
  seller.handle,
  count(*) FILTER (WHERE post.status = 'listed') AS posts_listed,
  count(sale.id) AS posts_sold,
  coalesce(sum(sale.amount_eur - sale.fee_eur) FILTER (WHERE sale.status <> 'refunded'), 0) AS earned_eur,
  round(avg(sale.rating), 2) AS average_rating,
  max(sale.purchased_at) AS last_sale_at
FROM accounts seller
JOIN posts post ON post.seller_id = seller.id AND post.status <> 'draft'
LEFT JOIN purchases sale ON sale.post_id = post.id
GROUP BY seller.id;
COMMENT ON VIEW seller_statistics IS 'Each account that ever offered something, and how it went.';
COMMENT ON COLUMN seller_statistics.account_id IS 'The seller.';
COMMENT ON COLUMN seller_statistics.handle IS 'Handle of the seller.';
COMMENT ON COLUMN seller_statistics.posts_listed IS 'Posts that can be bought now.';
COMMENT ON COLUMN seller_statistics.posts_sold IS 'Posts sold, refunded ones among them.';
COMMENT ON COLUMN seller_statistics.earned_eur IS 'Sales less fees in euros, without refunded ones.';
COMMENT ON COLUMN seller_statistics.average_rating IS 'Mean of the buyers'' ratings, 1 to 5; empty without one.';
COMMENT ON COLUMN seller_statistics.last_sale_at IS 'Last sale; empty without one.';

CREATE MATERIALIZED VIEW sales_by_month AS
SELECT
  date_trunc('month', sale.purchased_at AT TIME ZONE 'UTC')::date AS month,
  root.slug AS category,
  count(*) AS sales,
  sum(sale.amount_eur) AS revenue_eur,
  sum(sale.fee_eur) AS fees_eur
FROM purchases sale
JOIN posts post ON post.id = sale.post_id
JOIN category_paths path ON path.id = post.category_id
JOIN categories root ON root.id = path.root_id
WHERE sale.status <> 'refunded'
GROUP BY 1, 2;
CREATE UNIQUE INDEX ON sales_by_month (month, category);
COMMENT ON MATERIALIZED VIEW sales_by_month IS
  'Sales of each month and top category, without refunded ones, as of the last REFRESH MATERIALIZED VIEW.';
COMMENT ON COLUMN sales_by_month.month IS 'First day of the month, by UTC.';
COMMENT ON COLUMN sales_by_month.category IS 'Slug of the top category.';
COMMENT ON COLUMN sales_by_month.sales IS 'Number of purchases.';
COMMENT ON COLUMN sales_by_month.revenue_eur IS 'What buyers paid, in euros.';
COMMENT ON COLUMN sales_by_month.fees_eur IS 'What the site kept, in euros.';

CREATE FUNCTION search_posts(words text, max_posts integer DEFAULT 20) RETURNS SETOF post_listings
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT listing.*
  FROM post_listings listing JOIN posts post USING (id)
  WHERE post.search @@ websearch_to_tsquery('english', words)
  ORDER BY ts_rank(post.search, websearch_to_tsquery('english', words)) DESC, id
  LIMIT max_posts;
END;
COMMENT ON FUNCTION search_posts IS
  'Listed posts whose titles fit the words, best first: "a phrase", either or other, -without.';

-- The history of the outbox, from the rows that made it. The courier last came a day before the end of 2025.

INSERT INTO outbox (topic, payload, created_at, delivered_at)
SELECT topic, payload, at, CASE WHEN at < '2025-12-31Z' THEN at + interval '2 seconds' END
FROM (
  SELECT 'post.sold' AS topic, sale_payload(purchases) AS payload, purchased_at AS at FROM purchases
  UNION ALL
  SELECT 'post.listed', jsonb_build_object('post_id', id, 'seller_id', seller_id), published_at FROM posts
  WHERE published_at >= '2025-07-01Z'
) event
ORDER BY at, topic, payload;

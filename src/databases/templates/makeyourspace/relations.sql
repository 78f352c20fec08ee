-- Foreign keys and indexes, made when the rows are there: checked and built once for all instead of row by row.

ALTER TABLE exchange_rates ADD FOREIGN KEY (currency_code) REFERENCES currencies;

ALTER TABLE accounts
  ADD FOREIGN KEY (currency_code) REFERENCES currencies,
  ADD FOREIGN KEY (referred_by) REFERENCES accounts ON DELETE SET NULL;
CREATE UNIQUE INDEX accounts_email_key ON accounts (lower(email));
CREATE INDEX ON accounts (currency_code);
CREATE INDEX ON accounts (referred_by);
CREATE INDEX ON accounts USING gin (interests);
COMMENT ON INDEX accounts_email_key IS 'Two addresses that differ only in case are one.';

ALTER TABLE account_roles
  ADD FOREIGN KEY (account_id) REFERENCES accounts ON DELETE CASCADE,
  ADD FOREIGN KEY (role_id) REFERENCES roles,
  ADD FOREIGN KEY (granted_by) REFERENCES accounts ON DELETE SET NULL;
CREATE INDEX ON account_roles (role_id);
CREATE INDEX ON account_roles (granted_by);

ALTER TABLE follows
  ADD FOREIGN KEY (follower_id) REFERENCES accounts ON DELETE CASCADE,
  ADD FOREIGN KEY (followed_id) REFERENCES accounts ON DELETE CASCADE;
CREATE INDEX ON follows (followed_id);

ALTER TABLE categories ADD FOREIGN KEY (parent_id) REFERENCES categories;
CREATE INDEX ON categories (parent_id);

ALTER TABLE posts
  ADD FOREIGN KEY (seller_id) REFERENCES accounts,
  ADD FOREIGN KEY (category_id) REFERENCES categories,
  ADD FOREIGN KEY (currency_code) REFERENCES currencies;
CREATE INDEX ON posts (seller_id, status);
CREATE INDEX ON posts (category_id);
CREATE INDEX ON posts (currency_code);
CREATE INDEX posts_listed_idx ON posts (published_at DESC) INCLUDE (title, price) WHERE status = 'listed';
CREATE INDEX ON posts USING gin (search);
CREATE INDEX ON posts USING gin (tags);
CREATE INDEX ON posts USING gin (attributes jsonb_path_ops);
CREATE INDEX ON posts USING brin (created_at);
COMMENT ON INDEX posts_listed_idx IS 'The front page: what is for sale, newest first.';

ALTER TABLE replies
  ADD FOREIGN KEY (post_id) REFERENCES posts ON DELETE CASCADE,
  ADD FOREIGN KEY (author_id) REFERENCES accounts,
  ADD CONSTRAINT replies_parent_of_same_post FOREIGN KEY (post_id, parent_id)
    REFERENCES replies (post_id, id) ON DELETE CASCADE;
CREATE INDEX ON replies (post_id, parent_id);
CREATE INDEX ON replies (author_id);

ALTER TABLE purchases
  ADD CONSTRAINT purchases_seller_of_post FOREIGN KEY (post_id, seller_id) REFERENCES posts (id, seller_id),
  ADD FOREIGN KEY (seller_id) REFERENCES accounts,
  ADD FOREIGN KEY (buyer_id) REFERENCES accounts,
  ADD FOREIGN KEY (currency_code, rate_day) REFERENCES exchange_rates;
CREATE INDEX ON purchases (seller_id, post_id);
CREATE INDEX ON purchases (buyer_id, purchased_at DESC);
CREATE INDEX ON purchases (currency_code, rate_day);
CREATE INDEX ON purchases (date_trunc('month', purchased_at AT TIME ZONE 'UTC'));

CREATE INDEX outbox_waiting_idx ON outbox (id) WHERE delivered_at IS NULL;
CREATE INDEX ON outbox USING brin (created_at);
COMMENT ON INDEX outbox_waiting_idx IS 'All that the courier reads: it stays small however long the history grows.';

CREATE INDEX ON audit_entries (table_name, row_id, id);
CREATE INDEX ON audit_entries USING hash (account_id);

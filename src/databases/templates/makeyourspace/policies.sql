-- Who sees which rows. The owner of the tables sees all; every other role sees what the account sees for which its
-- session speaks, and what is public when it speaks for nobody.

ALTER TABLE posts ENABLE ROW LEVEL SECURITY;
CREATE POLICY posts_published ON posts FOR SELECT USING (status <> 'draft');
CREATE POLICY posts_own ON posts USING (seller_id = current_account_id());
COMMENT ON POLICY posts_published ON posts IS 'Everyone sees what was published.';
COMMENT ON POLICY posts_own ON posts IS 'Sellers see and change their own, drafts too.';

ALTER TABLE purchases ENABLE ROW LEVEL SECURITY;
CREATE POLICY purchases_of_buyer ON purchases FOR SELECT USING (buyer_id = current_account_id());
CREATE POLICY purchases_of_seller ON purchases FOR SELECT USING (seller_id = current_account_id());
COMMENT ON POLICY purchases_of_buyer ON purchases IS 'Buyers see what they bought.';
COMMENT ON POLICY purchases_of_seller ON purchases IS 'Sellers see what they sold.';

ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;
CREATE POLICY outbox_public ON outbox FOR SELECT USING (topic = 'post.listed');
CREATE POLICY outbox_of_parties ON outbox FOR SELECT USING (
  current_account_id() IN ((payload ->> 'buyer_id')::bigint, (payload ->> 'seller_id')::bigint)
);
COMMENT ON POLICY outbox_public ON outbox IS 'That something is for sale is for everyone.';
COMMENT ON POLICY outbox_of_parties ON outbox IS 'That something was sold is for its buyer and its seller.';

ALTER TABLE audit_entries ENABLE ROW LEVEL SECURITY;
CREATE POLICY audit_entries_own ON audit_entries FOR SELECT USING (account_id = current_account_id());
CREATE POLICY audit_entries_of_posts ON audit_entries FOR SELECT USING (
  table_name = 'posts' AND EXISTS (SELECT FROM posts WHERE posts.id = row_id)
);
COMMENT ON POLICY audit_entries_own ON audit_entries IS 'Everyone sees what they changed themselves.';
COMMENT ON POLICY audit_entries_of_posts ON audit_entries IS 'Who sees a post sees its history.';

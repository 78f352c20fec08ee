-- What the database does by itself: the identity of a session, prices, buying, and the triggers.

CREATE FUNCTION current_account_id() RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.account_id', true), '')::bigint;
COMMENT ON FUNCTION current_account_id IS
  'Account for which this session speaks: the setting app.account_id; null when it speaks for nobody.';

CREATE FUNCTION convert_amount(amount numeric, from_currency text, to_currency text, on_day date DEFAULT current_date)
RETURNS numeric
LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN round(
  amount
    / (SELECT rate FROM exchange_rates WHERE currency_code = from_currency AND day <= on_day ORDER BY day DESC LIMIT 1)
    * (SELECT rate FROM exchange_rates WHERE currency_code = to_currency AND day <= on_day ORDER BY day DESC LIMIT 1),
  2);
COMMENT ON FUNCTION convert_amount IS
  'An amount in another currency, to the hundredth, at the last rates known on that day; null without a rate.';

CREATE FUNCTION sale_payload(sale purchases) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN jsonb_build_object(
  'purchase_id', sale.id,
  'post_id', sale.post_id,
  'seller_id', sale.seller_id,
  'buyer_id', sale.buyer_id,
  'amount_eur', sale.amount_eur::text
);
COMMENT ON FUNCTION sale_payload IS 'What the event post.sold tells of a purchase.';

CREATE FUNCTION buy_post(post bigint, buyer bigint) RETURNS purchases
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
  item posts;
  customer accounts;
  quote exchange_rates;
  fee numeric;
  sale purchases;
BEGIN
  IF current_account_id() <> buyer THEN
    RAISE EXCEPTION 'account % cannot buy for account %', current_account_id(), buyer USING ERRCODE = '42501';
  END IF;

  -- The second of two buyers waits here until the first has committed, and then reads the post as sold.
  SELECT * INTO item FROM posts WHERE id = post FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no post %', post USING ERRCODE = 'MK001';
  END IF;
  -- Both accounts in the order of their ids: two people who buy from each other at once wait, and do not deadlock.
  PERFORM FROM accounts WHERE id IN (buyer, item.seller_id) ORDER BY id FOR NO KEY UPDATE;
  SELECT * INTO customer FROM accounts WHERE id = buyer;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no account %', buyer USING ERRCODE = 'MK002';
  END IF;

  IF customer.status <> 'active' THEN
    RAISE EXCEPTION 'account % is %', buyer, customer.status USING ERRCODE = 'MK003';
  ELSIF item.seller_id = buyer THEN
    RAISE EXCEPTION 'post % is the buyer''s own', post USING ERRCODE = 'MK004';
  ELSIF item.status = 'sold' THEN
    RAISE EXCEPTION 'post % is already sold', post USING ERRCODE = 'MK005';
  ELSIF item.status <> 'listed' THEN
    RAISE EXCEPTION 'post % is not for sale', post USING ERRCODE = 'MK006', DETAIL = format('It is %s.', item.status);
  END IF;

  SELECT * INTO quote FROM exchange_rates
    WHERE currency_code = item.currency_code AND day <= current_date ORDER BY day DESC LIMIT 1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no exchange rate for %', item.currency_code USING ERRCODE = 'MK008';
  END IF;
  SELECT percent INTO fee FROM fee_schedules WHERE period @> current_date;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no fee for %', current_date USING ERRCODE = 'MK009';
  END IF;

  INSERT INTO purchases (post_id, seller_id, buyer_id, price, currency_code, rate_day, rate, fee_percent)
    VALUES (post, item.seller_id, buyer, item.price, item.currency_code, quote.day, quote.rate, fee)
    RETURNING * INTO sale;
  IF customer.balance_eur < sale.amount_eur THEN
    RAISE EXCEPTION 'insufficient balance' USING ERRCODE = 'MK007',
      DETAIL = format('The post costs %s EUR, account %s has %s EUR.', sale.amount_eur, buyer, customer.balance_eur);
  END IF;
  UPDATE accounts SET balance_eur = balance_eur - sale.amount_eur WHERE id = buyer;
  UPDATE accounts SET balance_eur = balance_eur + sale.amount_eur - sale.fee_eur WHERE id = item.seller_id;
  UPDATE posts SET status = 'sold', sold_at = sale.purchased_at WHERE id = post;
  INSERT INTO outbox (topic, payload) VALUES ('post.sold', sale_payload(sale));
  RETURN sale;
END
$$;
COMMENT ON FUNCTION buy_post IS
$$Sells a listed post to an account at the latest exchange rate: the post is marked sold, the purchase recorded, the
money moved, and the event post.sold written, all in the caller's transaction. Of several buyers at once one wins.
Errors: MK001 no such post, MK002 no such account, MK003 account not active, MK004 own post, MK005 already sold,
MK006 not for sale, MK007 insufficient balance, MK008 no exchange rate, MK009 no fee, 42501 buying for somebody else.$$;
-- It acts with the owner's rights: whoever is to buy is granted it.
REVOKE EXECUTE ON FUNCTION buy_post FROM PUBLIC;

CREATE FUNCTION touch_updated_at() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION touch_updated_at IS 'Trigger: updated_at is the time of the last change.';

CREATE FUNCTION write_audit_entry() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
  before jsonb := to_jsonb(OLD) - '{updated_at,search}'::text[];
  after jsonb := CASE WHEN TG_OP = 'UPDATE' THEN to_jsonb(NEW) - '{updated_at,search}'::text[] ELSE '{}' END;
  changed jsonb;
BEGIN
  SELECT jsonb_object_agg(key, jsonb_build_object('old', value, 'new', after -> key)) INTO changed
    FROM jsonb_each(before) WHERE value IS DISTINCT FROM after -> key;
  IF changed IS NOT NULL THEN
    INSERT INTO audit_entries (table_name, row_id, action, changes, account_id)
      VALUES (TG_TABLE_NAME, OLD.id, TG_OP, changed, current_account_id());
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION write_audit_entry IS
  'Trigger: records each changed column with its old and new value; what the database derives by itself is left out.';

CREATE TRIGGER touch BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON posts FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON purchases FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER audit AFTER UPDATE OR DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION write_audit_entry();
CREATE TRIGGER audit AFTER UPDATE OR DELETE ON posts FOR EACH ROW EXECUTE FUNCTION write_audit_entry();
CREATE TRIGGER audit AFTER UPDATE OR DELETE ON purchases FOR EACH ROW EXECUTE FUNCTION write_audit_entry();

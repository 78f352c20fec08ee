-- Beyond what the Prisma schema can say.

-- One chain, one end. Without it nothing would be chained, and nobody would be told.
ALTER TABLE "audit_heads" ADD CONSTRAINT "audit_heads_one" CHECK ("id" = 1);

CREATE FUNCTION "audit_heads_stay"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the end of the audit is never deleted' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER "audit_heads_stay" BEFORE DELETE OR TRUNCATE ON "audit_heads"
  FOR EACH STATEMENT EXECUTE FUNCTION "audit_heads_stay"();

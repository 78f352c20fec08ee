-- DropForeignKey: what is chained never changes again, also when its actor goes.
ALTER TABLE "audit_entries" DROP CONSTRAINT "audit_entries_actor_id_fkey";

-- DropIndex
DROP INDEX "audit_entries_actor_id_created_at_idx";

-- AlterTable
ALTER TABLE "audit_entries"
    ADD COLUMN "user_agent" TEXT,
    ADD COLUMN "position" BIGINT,
    ADD COLUMN "previous" BYTEA,
    ADD COLUMN "hash" BYTEA;

-- CreateTable
CREATE TABLE "audit_heads" (
    "id" INTEGER NOT NULL,
    "position" BIGINT NOT NULL DEFAULT 0,
    "sealed" TEXT,

    CONSTRAINT "audit_heads_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "audit_entries_position_key" ON "audit_entries"("position");

-- CreateIndex
CREATE INDEX "audit_entries_created_at_id_idx" ON "audit_entries"("created_at", "id");

-- CreateIndex
CREATE INDEX "audit_entries_actor_id_created_at_id_idx" ON "audit_entries"("actor_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "audit_entries_action_created_at_id_idx" ON "audit_entries"("action", "created_at", "id");

-- Beyond what the Prisma schema can say.

INSERT INTO "audit_heads" ("id") VALUES (1);

-- What the next link of the chain is made of: as a rule nothing.
CREATE INDEX "audit_entries_unchained_idx" ON "audit_entries"("id") WHERE "position" IS NULL;

-- An entry is added, then chained once, and after that it stays as it is. Who owns the table can undo this: then the chain tells.
CREATE FUNCTION "audit_entries_stay"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.position IS NULL
     AND to_jsonb(NEW) - ARRAY['position', 'previous', 'hash'] = to_jsonb(OLD) - ARRAY['position', 'previous', 'hash'] THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'entries of the audit are never changed or deleted' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER "audit_entries_stay" BEFORE UPDATE OR DELETE ON "audit_entries"
  FOR EACH ROW EXECUTE FUNCTION "audit_entries_stay"();
CREATE TRIGGER "audit_entries_stay_whole" BEFORE TRUNCATE ON "audit_entries"
  FOR EACH STATEMENT EXECUTE FUNCTION "audit_entries_stay"();

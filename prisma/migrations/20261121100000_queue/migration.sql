-- DropIndex
DROP INDEX "jobs_owner_id_idempotency_key_key";

-- DropIndex
DROP INDEX "jobs_owner_id_submitted_at_id_idx";

-- DropIndex
DROP INDEX "jobs_queued";

-- DropIndex
DROP INDEX "jobs_running";

-- AlterTable
ALTER TABLE "jobs" ADD COLUMN     "estimated_rows" BIGINT,
ADD COLUMN     "held_until" TIMESTAMPTZ(3),
ADD COLUMN     "max_attempts" INTEGER NOT NULL DEFAULT 1,
ADD COLUMN     "percent" REAL,
ADD COLUMN     "priority" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "rank_ms" BIGINT,
ADD COLUMN     "results_dropped" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "results_expire_at" TIMESTAMPTZ(3),
ADD COLUMN     "run_at" TIMESTAMPTZ(3),
ADD COLUMN     "saved_query_id" UUID,
ADD COLUMN     "sealed_connection" TEXT,
ADD COLUMN     "source_id" UUID,
ADD COLUMN     "target_key" UUID;

-- What was queued before there were priorities.
UPDATE "jobs" SET "rank_ms" = floor(extract(epoch FROM "submitted_at") * 1000), "target_key" = coalesce("database_id", "id");
ALTER TABLE "jobs" ALTER COLUMN "rank_ms" SET NOT NULL, ALTER COLUMN "target_key" SET NOT NULL;

-- AlterTable
ALTER TABLE "users" ADD COLUMN     "queue_priority" INTEGER;

-- CreateTable
CREATE TABLE "job_deletions" (
    "job_id" UUID NOT NULL,
    "owner_id" UUID NOT NULL,
    "database_id" UUID,
    "change_xid" BIGINT NOT NULL,
    "change_seq" BIGINT NOT NULL,
    "deleted_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "job_deletions_pkey" PRIMARY KEY ("job_id")
);

-- CreateTable
CREATE TABLE "job_deletion_horizon" (
    "id" INTEGER NOT NULL,
    "change_xid" BIGINT NOT NULL,
    "change_seq" BIGINT NOT NULL,

    CONSTRAINT "job_deletion_horizon_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "blob_trash" (
    "prefix" TEXT NOT NULL,
    "trashed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "blob_trash_pkey" PRIMARY KEY ("prefix")
);

-- CreateTable
CREATE TABLE "saved_queries" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "sql" TEXT NOT NULL,
    "owner_id" UUID,
    "database_id" UUID,
    "project_id" UUID,
    "schedule" TEXT,
    "schedule_enabled" BOOLEAN NOT NULL DEFAULT true,
    "next_run_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "saved_queries_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "jobs_owner_id_id_idx" ON "jobs"("owner_id", "id");

-- CreateIndex
CREATE INDEX "job_deletions_owner_id_change_xid_change_seq_idx" ON "job_deletions"("owner_id", "change_xid", "change_seq");

-- CreateIndex
CREATE INDEX "job_deletions_deleted_at_idx" ON "job_deletions"("deleted_at");

-- CreateIndex
CREATE INDEX "saved_queries_owner_id_idx" ON "saved_queries"("owner_id");

-- CreateIndex
CREATE INDEX "saved_queries_database_id_idx" ON "saved_queries"("database_id");

-- CreateIndex
CREATE INDEX "saved_queries_project_id_idx" ON "saved_queries"("project_id");

-- AddForeignKey
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_source_id_fkey" FOREIGN KEY ("source_id") REFERENCES "jobs"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_saved_query_id_fkey" FOREIGN KEY ("saved_query_id") REFERENCES "saved_queries"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "saved_queries" ADD CONSTRAINT "saved_queries_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "users"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "saved_queries" ADD CONSTRAINT "saved_queries_database_id_fkey" FOREIGN KEY ("database_id") REFERENCES "databases"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "saved_queries" ADD CONSTRAINT "saved_queries_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- Beyond what the Prisma schema can say.

CREATE UNIQUE INDEX "jobs_idempotency" ON "jobs" ("owner_id", "idempotency_key") WHERE "idempotency_key" IS NOT NULL;

-- The queue reads only these, however many finished jobs there are: the ready ones of a user on a database in their
-- order, those that are held until a time, those that run.
CREATE INDEX "jobs_ready" ON "jobs" ("owner_id", "target_key", "rank_ms", "id") WHERE "status" = 'queued' AND "held_until" IS NULL;
CREATE INDEX "jobs_held" ON "jobs" ("held_until") WHERE "status" = 'queued' AND "held_until" IS NOT NULL;
CREATE INDEX "jobs_running" ON "jobs" ("owner_id", "target_key", "lease_until") WHERE "status" = 'running';

-- How long the jobs of a user took lately; whose rows are to be thrown away; who refers to what may be deleted.
CREATE INDEX "jobs_succeeded" ON "jobs" ("owner_id", "finished_at") WHERE "status" = 'succeeded';
CREATE INDEX "jobs_expiring" ON "jobs" ("results_expire_at") WHERE "results_expire_at" IS NOT NULL AND NOT "results_dropped";
CREATE INDEX "jobs_source" ON "jobs" ("source_id") WHERE "source_id" IS NOT NULL;
CREATE INDEX "jobs_saved_query" ON "jobs" ("saved_query_id", "owner_id", "id") WHERE "saved_query_id" IS NOT NULL;
CREATE INDEX "saved_queries_due" ON "saved_queries" ("next_run_at") WHERE "schedule_enabled" AND "next_run_at" IS NOT NULL;

ALTER TABLE "jobs" ADD CONSTRAINT "jobs_held_is_queued" CHECK ("held_until" IS NULL OR "status" = 'queued');
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_credentials_dropped" CHECK ("sealed_connection" IS NULL OR "status" IN ('queued', 'running'));

INSERT INTO "job_deletion_horizon" ("id", "change_xid", "change_seq") VALUES (1, 0, 0);

-- However a job goes, also with its owner: who follows hears of it, and its rows leave the blob store.
CREATE FUNCTION "job_deleted"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO job_deletions (job_id, owner_id, database_id, change_xid, change_seq)
  SELECT id, owner_id, database_id, pg_current_xact_id()::text::bigint, nextval('job_changes') FROM gone
  ON CONFLICT DO NOTHING;
  INSERT INTO blob_trash (prefix) SELECT 'results/' || id FROM gone WHERE attempt > 0 ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
CREATE TRIGGER "job_deleted" AFTER DELETE ON "jobs" REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION "job_deleted"();

-- AlterTable
ALTER TABLE "saved_queries" ADD COLUMN     "schedule_held_until" TIMESTAMPTZ(3),
ADD COLUMN     "schedule_problem" TEXT,
ADD COLUMN     "scheduled_job_id" UUID;

-- Beyond what the Prisma schema can say.

ALTER TABLE "saved_queries" ADD CONSTRAINT "saved_queries_next_run" CHECK ("next_run_at" IS NULL
  OR ("schedule" IS NOT NULL AND "schedule_enabled" AND "owner_id" IS NOT NULL AND "database_id" IS NOT NULL));

-- However an account or a database goes: a schedule without either stops, and says why.
CREATE FUNCTION "saved_query_stops"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.next_run_at := NULL;
  IF NEW.schedule IS NOT NULL AND NEW.schedule_enabled THEN
    NEW.schedule_enabled := false;
    NEW.schedule_problem := CASE WHEN NEW.owner_id IS NULL THEN 'owner_gone' ELSE 'database_gone' END;
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER "saved_query_stops" BEFORE UPDATE OF "owner_id", "database_id" ON "saved_queries" FOR EACH ROW
  WHEN (NEW.owner_id IS NULL AND OLD.owner_id IS NOT NULL OR NEW.database_id IS NULL AND OLD.database_id IS NOT NULL)
  EXECUTE FUNCTION "saved_query_stops"();

-- What nobody owns and no project holds is seen by nobody.
CREATE FUNCTION "saved_query_abandoned"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM saved_queries WHERE id = NEW.id;
  RETURN NULL;
END
$$;
CREATE TRIGGER "saved_query_abandoned" AFTER UPDATE OF "owner_id", "project_id" ON "saved_queries" FOR EACH ROW
  WHEN (NEW.owner_id IS NULL AND NEW.project_id IS NULL)
  EXECUTE FUNCTION "saved_query_abandoned"();

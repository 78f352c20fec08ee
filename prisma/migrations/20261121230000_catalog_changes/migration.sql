-- CreateTable
CREATE TABLE "catalog_changes" (
    "position" BIGSERIAL NOT NULL,
    "database_id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "object" TEXT NOT NULL,
    "names" TEXT[],
    "identity" TEXT,
    "before" JSON,
    "after" JSON,
    "bytes" INTEGER NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "detected_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "catalog_changes_pkey" PRIMARY KEY ("position")
);

-- CreateTable
CREATE TABLE "catalog_change_horizons" (
    "database_id" UUID NOT NULL,
    "position" BIGINT NOT NULL,

    CONSTRAINT "catalog_change_horizons_pkey" PRIMARY KEY ("database_id")
);

-- CreateIndex
CREATE INDEX "catalog_changes_database_id_position_idx" ON "catalog_changes"("database_id", "position");

-- AddForeignKey
ALTER TABLE "catalog_changes" ADD CONSTRAINT "catalog_changes_database_id_fkey" FOREIGN KEY ("database_id") REFERENCES "databases"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "catalog_change_horizons" ADD CONSTRAINT "catalog_change_horizons_database_id_fkey" FOREIGN KEY ("database_id") REFERENCES "databases"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Beyond what the Prisma schema can say.

ALTER TABLE "catalog_changes" ADD CONSTRAINT "catalog_changes_sides" CHECK (
  CASE "kind" WHEN 'ADDED' THEN "before" IS NULL AND "after" IS NOT NULL
              WHEN 'REMOVED' THEN "before" IS NOT NULL AND "after" IS NULL
              WHEN 'ALTERED' THEN "before" IS NOT NULL AND "after" IS NOT NULL
              ELSE false END);

-- What happened elsewhere is not this database's past; who had read it is told so by his position.
CREATE FUNCTION "catalog_changes_of_elsewhere"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO catalog_change_horizons (database_id, position)
    SELECT database_id, max(position) FROM catalog_changes WHERE database_id = NEW.id GROUP BY database_id
    ON CONFLICT (database_id) DO UPDATE SET position = EXCLUDED.position;
  DELETE FROM catalog_changes WHERE database_id = NEW.id;
  RETURN NULL;
END
$$;
CREATE TRIGGER "catalog_changes_of_elsewhere" AFTER UPDATE OF "host", "port", "database_name" ON "databases" FOR EACH ROW
  WHEN ((NEW.host, NEW.port, NEW.database_name) IS DISTINCT FROM (OLD.host, OLD.port, OLD.database_name))
  EXECUTE FUNCTION "catalog_changes_of_elsewhere"();

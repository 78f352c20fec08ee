-- CreateTable
CREATE TABLE "catalog_snapshots" (
    "database_id" UUID NOT NULL,
    "version" TEXT,
    "fingerprint" TEXT,
    "read_at" TIMESTAMPTZ(6),
    "changed_at" TIMESTAMPTZ(6),
    "bytes" INTEGER,
    "content" BYTEA,
    "reader_id" UUID,
    "reader_until" TIMESTAMPTZ(3),

    CONSTRAINT "catalog_snapshots_pkey" PRIMARY KEY ("database_id")
);

-- AddForeignKey
ALTER TABLE "catalog_snapshots" ADD CONSTRAINT "catalog_snapshots_database_id_fkey" FOREIGN KEY ("database_id") REFERENCES "databases"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Beyond what the Prisma schema can say.

ALTER TABLE "catalog_snapshots" ADD CONSTRAINT "catalog_snapshots_kept" CHECK (
  ("version" IS NULL) = ("content" IS NULL) AND ("fingerprint" IS NULL) = ("content" IS NULL)
  AND ("read_at" IS NULL) = ("content" IS NULL) AND ("bytes" IS NULL) = ("content" IS NULL));
ALTER TABLE "catalog_snapshots" ADD CONSTRAINT "catalog_snapshots_reader" CHECK (("reader_id" IS NULL) = ("reader_until" IS NULL));

-- It is compressed already: to try again would only cost time.
ALTER TABLE "catalog_snapshots" ALTER COLUMN "content" SET STORAGE EXTERNAL;

-- What was read with other credentials, or elsewhere, is not what these see.
CREATE FUNCTION "catalog_snapshot_dropped"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM catalog_snapshots WHERE database_id = NEW.id;
  RETURN NULL;
END
$$;
CREATE TRIGGER "catalog_snapshot_dropped" AFTER UPDATE OF "sealed_password", "host", "port", "database_name", "username" ON "databases" FOR EACH ROW
  WHEN ((NEW.sealed_password, NEW.host, NEW.port, NEW.database_name, NEW.username)
    IS DISTINCT FROM (OLD.sealed_password, OLD.host, OLD.port, OLD.database_name, OLD.username))
  EXECUTE FUNCTION "catalog_snapshot_dropped"();

-- CreateTable
CREATE TABLE "buckets" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "owner_id" UUID,
    "project_id" UUID,
    "public" BOOLEAN NOT NULL DEFAULT false,
    "max_file_size_bytes" BIGINT,
    "allowed_mime_types" TEXT[],
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "buckets_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "files" (
    "id" UUID NOT NULL,
    "bucket_id" UUID NOT NULL,
    "path" TEXT COLLATE "C" NOT NULL,
    "status" TEXT NOT NULL,
    "size_bytes" BIGINT NOT NULL,
    "mime_type" TEXT NOT NULL,
    "sha256" TEXT,
    "blob" TEXT NOT NULL,
    "owner_id" UUID,
    "overwrite" BOOLEAN NOT NULL DEFAULT false,
    "public_key" TEXT NOT NULL,
    "writer_id" UUID,
    "writer_until" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3),
    "checked_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "missing_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "files_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "buckets_owner_id_idx" ON "buckets"("owner_id");

-- CreateIndex
CREATE INDEX "buckets_project_id_idx" ON "buckets"("project_id");

-- CreateIndex
CREATE UNIQUE INDEX "files_blob_key" ON "files"("blob");

-- AddForeignKey
ALTER TABLE "buckets" ADD CONSTRAINT "buckets_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "users"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "buckets" ADD CONSTRAINT "buckets_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "files" ADD CONSTRAINT "files_bucket_id_fkey" FOREIGN KEY ("bucket_id") REFERENCES "buckets"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "files" ADD CONSTRAINT "files_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "users"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- Beyond what the Prisma schema can say.

-- A name is taken once among a user's own, and once in a project.
CREATE UNIQUE INDEX "buckets_name" ON "buckets" (coalesce("project_id", "owner_id"), "name");

-- What is being uploaded stands beside the file whose place it may take.
CREATE UNIQUE INDEX "files_path" ON "files" ("bucket_id", "path") INCLUDE ("size_bytes") WHERE "status" = 'ready';
CREATE UNIQUE INDEX "files_public_key" ON "files" ("public_key") WHERE "status" = 'ready';
CREATE INDEX "files_pending" ON "files" ("bucket_id") WHERE "status" = 'pending';
CREATE INDEX "files_expiring" ON "files" ("expires_at") WHERE "status" = 'pending';
CREATE INDEX "files_checked" ON "files" ("checked_at") WHERE "status" = 'ready';
-- A user's quota is read from this alone.
CREATE INDEX "files_owner" ON "files" ("owner_id") INCLUDE ("size_bytes");

ALTER TABLE "files" ADD CONSTRAINT "files_status" CHECK ("status" IN ('pending', 'ready'));
ALTER TABLE "files" ADD CONSTRAINT "files_ready" CHECK (("status" = 'ready') = ("sha256" IS NOT NULL));
ALTER TABLE "files" ADD CONSTRAINT "files_pending_ends" CHECK (("status" = 'pending') = ("expires_at" IS NOT NULL));
ALTER TABLE "files" ADD CONSTRAINT "files_size" CHECK ("size_bytes" >= 0);

-- However a file goes, also with its bucket: its bytes leave the blob store.
CREATE FUNCTION "file_deleted"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO blob_trash (prefix) SELECT blob FROM gone ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
CREATE TRIGGER "file_deleted" AFTER DELETE ON "files" REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION "file_deleted"();

-- Out of a project that is deleted a bucket goes back to who made it; his own may have its name already.
CREATE FUNCTION "bucket_leaves"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM buckets WHERE owner_id = NEW.owner_id AND project_id IS NULL AND name = NEW.name AND id <> NEW.id) THEN
    NEW.name := NEW.name || ' ' || right(NEW.id::text, 12);
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER "bucket_leaves" BEFORE UPDATE OF "project_id" ON "buckets" FOR EACH ROW
  WHEN (NEW.project_id IS NULL AND OLD.project_id IS NOT NULL)
  EXECUTE FUNCTION "bucket_leaves"();

-- What nobody owns and no project holds is seen by nobody.
CREATE FUNCTION "bucket_abandoned"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM buckets WHERE id = NEW.id;
  RETURN NULL;
END
$$;
CREATE TRIGGER "bucket_abandoned" AFTER UPDATE OF "owner_id", "project_id" ON "buckets" FOR EACH ROW
  WHEN (NEW.owner_id IS NULL AND NEW.project_id IS NULL)
  EXECUTE FUNCTION "bucket_abandoned"();

-- CreateTable
CREATE TABLE "catalog_trackings" (
    "database_id" UUID NOT NULL,
    "installed_at" TIMESTAMPTZ(3),
    "holder_id" UUID,
    "holder_until" TIMESTAMPTZ(3),

    CONSTRAINT "catalog_trackings_pkey" PRIMARY KEY ("database_id")
);

-- AddForeignKey
ALTER TABLE "catalog_trackings" ADD CONSTRAINT "catalog_trackings_database_id_fkey" FOREIGN KEY ("database_id") REFERENCES "databases"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Beyond what the Prisma schema can say.

ALTER TABLE "catalog_trackings" ADD CONSTRAINT "catalog_trackings_holder" CHECK (("holder_id" IS NULL) = ("holder_until" IS NULL));

-- CreateTable
CREATE TABLE "change_feeds" (
    "database_id" UUID NOT NULL,
    "state" TEXT NOT NULL,
    "generation" TEXT,
    "holder_id" UUID,
    "holder_until" TIMESTAMPTZ(3),
    "lease" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "change_feeds_pkey" PRIMARY KEY ("database_id")
);

-- CreateTable
CREATE TABLE "change_feed_tables" (
    "database_id" UUID NOT NULL,
    "table_id" TEXT NOT NULL,
    "since" TEXT NOT NULL,

    CONSTRAINT "change_feed_tables_pkey" PRIMARY KEY ("database_id","table_id")
);

-- AddForeignKey
ALTER TABLE "change_feeds" ADD CONSTRAINT "change_feeds_database_id_fkey" FOREIGN KEY ("database_id") REFERENCES "databases"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "change_feed_tables" ADD CONSTRAINT "change_feed_tables_database_id_fkey" FOREIGN KEY ("database_id") REFERENCES "change_feeds"("database_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Beyond what the Prisma schema can say.

ALTER TABLE "change_feeds" ADD CONSTRAINT "change_feeds_state" CHECK ("state" IN ('open', 'kept', 'changing'));
ALTER TABLE "change_feeds" ADD CONSTRAINT "change_feeds_holder" CHECK (("holder_id" IS NULL) = ("holder_until" IS NULL));

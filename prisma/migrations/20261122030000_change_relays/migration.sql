-- CreateTable
CREATE TABLE "change_relays" (
    "database_id" UUID NOT NULL,
    "epoch" UUID NOT NULL,
    "holder_id" UUID NOT NULL,
    "lease" INTEGER NOT NULL,
    "revision" TEXT NOT NULL,
    "generation" TEXT NOT NULL,
    "kept" BOOLEAN NOT NULL,
    "sealed_key" TEXT NOT NULL,
    "number" BIGINT NOT NULL DEFAULT 0,
    "position" TEXT,
    "status" JSON,

    CONSTRAINT "change_relays_pkey" PRIMARY KEY ("database_id")
);

-- CreateTable
CREATE TABLE "change_feed_chunks" (
    "database_id" UUID NOT NULL,
    "epoch" UUID NOT NULL,
    "number" BIGINT NOT NULL,
    "behind" TEXT,
    "payload" BYTEA NOT NULL,

    CONSTRAINT "change_feed_chunks_pkey" PRIMARY KEY ("database_id","epoch","number")
);

-- CreateTable
CREATE TABLE "change_feed_readers" (
    "database_id" UUID NOT NULL,
    "reader_id" UUID NOT NULL,
    "session" UUID NOT NULL,
    "read_until" TIMESTAMPTZ(3) NOT NULL,
    "request" UUID NOT NULL,
    "held" TEXT[],
    "wanted" JSON NOT NULL,
    "answer" JSON,
    "taken" BIGINT NOT NULL DEFAULT 0,
    "position" TEXT,
    "confirmed" TEXT,

    CONSTRAINT "change_feed_readers_pkey" PRIMARY KEY ("database_id","reader_id")
);

-- AddForeignKey
ALTER TABLE "change_relays" ADD CONSTRAINT "change_relays_database_id_fkey" FOREIGN KEY ("database_id") REFERENCES "databases"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "change_feed_chunks" ADD CONSTRAINT "change_feed_chunks_database_id_fkey" FOREIGN KEY ("database_id") REFERENCES "change_relays"("database_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "change_feed_readers" ADD CONSTRAINT "change_feed_readers_database_id_fkey" FOREIGN KEY ("database_id") REFERENCES "databases"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Beyond what the Prisma schema can say.

-- Compressed and sealed before: pages would be tried again for nothing.
ALTER TABLE "change_feed_chunks" ALTER COLUMN "payload" SET STORAGE EXTERNAL;

-- AlterTable
ALTER TABLE "api_keys" ADD COLUMN     "narrowed" BOOLEAN NOT NULL DEFAULT false;

-- CreateTable
CREATE TABLE "api_key_databases" (
    "key_id" UUID NOT NULL,
    "database_id" UUID NOT NULL,

    CONSTRAINT "api_key_databases_pkey" PRIMARY KEY ("key_id","database_id")
);

-- CreateIndex
CREATE INDEX "api_key_databases_database_id_idx" ON "api_key_databases"("database_id");

-- AddForeignKey
ALTER TABLE "api_key_databases" ADD CONSTRAINT "api_key_databases_key_id_fkey" FOREIGN KEY ("key_id") REFERENCES "api_keys"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_key_databases" ADD CONSTRAINT "api_key_databases_database_id_fkey" FOREIGN KEY ("database_id") REFERENCES "databases"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AlterTable
ALTER TABLE "jobs" ADD COLUMN     "export" JSONB,
ADD COLUMN     "exported" JSONB,
ALTER COLUMN "max_rows" DROP NOT NULL;

-- AlterTable
ALTER TABLE "users" ADD COLUMN     "default_export_bucket_id" UUID,
ADD COLUMN     "default_export_format" TEXT,
ADD COLUMN     "default_export_prefix" TEXT;

-- AlterTable
ALTER TABLE "saved_queries" ADD COLUMN     "export" JSONB;

-- AddForeignKey
ALTER TABLE "users" ADD CONSTRAINT "users_default_export_bucket_id_fkey" FOREIGN KEY ("default_export_bucket_id") REFERENCES "buckets"("id") ON DELETE SET NULL ON UPDATE CASCADE;

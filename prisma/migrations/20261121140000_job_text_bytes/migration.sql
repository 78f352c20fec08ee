-- AlterTable
ALTER TABLE "jobs" ADD COLUMN     "text_bytes" INTEGER NOT NULL DEFAULT 0;

UPDATE "jobs" SET "text_bytes" = octet_length("sql") + coalesce(octet_length("parameters"::text), 0);

-- AlterTable
ALTER TABLE "change_feeds" ADD COLUMN     "problem" TEXT,
ADD COLUMN     "problem_at" TIMESTAMPTZ(3);

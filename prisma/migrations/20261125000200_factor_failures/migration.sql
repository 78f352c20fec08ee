-- Wrong codes are counted where wrong passwords are.
ALTER TABLE "second_factors" DROP COLUMN "failures", DROP COLUMN "failed_at";

-- The API key that a job was submitted with, which ends with it. Keys that ended are forgotten, so it references nothing.
ALTER TABLE "jobs" ADD COLUMN "key_id" UUID;

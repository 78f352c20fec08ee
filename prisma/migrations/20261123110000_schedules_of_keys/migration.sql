-- The API key with which what runs by itself was decided: the schedule ends with it. Keys that ended are forgotten, so it
-- references nothing.
ALTER TABLE "saved_queries" ADD COLUMN "schedule_key_id" UUID;

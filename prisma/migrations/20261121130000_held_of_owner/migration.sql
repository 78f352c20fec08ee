-- What a user has put off, counted for his limit of unfinished jobs; "jobs_ready" and "jobs_running" have the others.
CREATE INDEX "jobs_held_of_owner" ON "jobs" ("owner_id") WHERE "status" = 'queued' AND "held_until" IS NOT NULL;

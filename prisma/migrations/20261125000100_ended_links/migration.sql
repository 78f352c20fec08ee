-- Links to files outlive the session that made them, and end with the password or with all sessions.
ALTER TABLE "users" ADD COLUMN "links_ended_at" TIMESTAMPTZ(3);

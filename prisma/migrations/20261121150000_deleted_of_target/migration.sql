-- By what outlives the database, as jobs are followed.
CREATE OR REPLACE FUNCTION "job_deleted"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO job_deletions (job_id, owner_id, database_id, change_xid, change_seq)
  SELECT id, owner_id, target_key, pg_current_xact_id()::text::bigint, nextval('job_changes') FROM gone
  ON CONFLICT DO NOTHING;
  INSERT INTO blob_trash (prefix) SELECT 'results/' || id FROM gone WHERE attempt > 0 ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;

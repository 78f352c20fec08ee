-- Out of a project that is deleted a bucket goes back to who made it only while he is in it: who has left sees none of its
-- files again. Then it goes to the OWNER who has been there the longest.
CREATE FUNCTION "project_buckets_inherited"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE buckets SET owner_id = (
    SELECT user_id FROM project_members WHERE project_id = OLD.id AND role = 'owner' ORDER BY joined_at, id LIMIT 1)
  WHERE project_id = OLD.id AND NOT EXISTS (
    SELECT FROM project_members AS m WHERE m.project_id = OLD.id AND m.user_id = buckets.owner_id);
  RETURN OLD;
END
$$;
-- Before: the members go with their project, and ahead of its buckets.
CREATE TRIGGER "project_buckets_inherited" BEFORE DELETE ON "projects" FOR EACH ROW
  EXECUTE FUNCTION "project_buckets_inherited"();

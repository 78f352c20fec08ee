-- CreateTable
CREATE TABLE "tasks" (
    "id" UUID NOT NULL,
    "project_id" UUID NOT NULL,
    "title" TEXT NOT NULL,
    "description" TEXT,
    "status" TEXT NOT NULL,
    "assignee_id" UUID,
    "due_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "position" BIGINT NOT NULL,

    CONSTRAINT "tasks_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "task_deletions" (
    "task_id" UUID NOT NULL,
    "project_id" UUID NOT NULL,
    "position" BIGINT NOT NULL,

    CONSTRAINT "task_deletions_pkey" PRIMARY KEY ("task_id")
);

-- CreateIndex
CREATE INDEX "tasks_project_id_id_idx" ON "tasks"("project_id", "id");

-- CreateIndex
CREATE INDEX "tasks_project_id_position_idx" ON "tasks"("project_id", "position");

-- CreateIndex
CREATE INDEX "tasks_assignee_id_idx" ON "tasks"("assignee_id");

-- CreateIndex
CREATE INDEX "task_deletions_project_id_position_idx" ON "task_deletions"("project_id", "position");

-- AddForeignKey
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_assignee_id_fkey" FOREIGN KEY ("assignee_id") REFERENCES "users"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "task_deletions" ADD CONSTRAINT "task_deletions_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Beyond what the Prisma schema can say.

-- Orders the changes of tasks. Whoever takes a number holds the row of its project until it is committed: in one project
-- a later number is never seen before an earlier one.
CREATE SEQUENCE "task_changes";

ALTER TABLE "tasks" ADD CONSTRAINT "tasks_status" CHECK ("status" IN ('todo', 'in_progress', 'done'));

-- However a member goes, what was his is nobody's, and who follows the tasks hears of it.
CREATE FUNCTION "member_tasks_freed"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM projects WHERE id IN (SELECT project_id FROM gone) ORDER BY id FOR NO KEY UPDATE;
  UPDATE tasks SET assignee_id = NULL, updated_at = now(), position = nextval('task_changes')
  FROM gone JOIN projects ON projects.id = gone.project_id
  WHERE tasks.project_id = gone.project_id AND tasks.assignee_id = gone.user_id;
  RETURN NULL;
END
$$;
CREATE TRIGGER "member_tasks_freed" AFTER DELETE ON "project_members" REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION "member_tasks_freed"();

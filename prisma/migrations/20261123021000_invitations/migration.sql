-- CreateTable
CREATE TABLE "invitations" (
    "id" UUID NOT NULL,
    "email" TEXT NOT NULL,
    "email_key" TEXT NOT NULL,
    "project_id" UUID,
    "role" TEXT NOT NULL,
    "invited_by_id" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "accepted_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "invitations_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "invitations_project_id_id_idx" ON "invitations"("project_id", "id");

-- CreateIndex
CREATE INDEX "invitations_invited_by_id_idx" ON "invitations"("invited_by_id");

-- AddForeignKey
ALTER TABLE "invitations" ADD CONSTRAINT "invitations_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "invitations" ADD CONSTRAINT "invitations_invited_by_id_fkey" FOREIGN KEY ("invited_by_id") REFERENCES "users"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- Beyond what the Prisma schema can say.

ALTER TABLE "invitations" ADD CONSTRAINT "invitations_role"
  CHECK (CASE WHEN "project_id" IS NULL THEN "role" IN ('admin', 'member') ELSE "role" IN ('owner', 'editor', 'viewer') END);

-- One that is open for an address in a project, or on the server: another one takes its place.
CREATE UNIQUE INDEX "invitations_open_in_project" ON "invitations" ("project_id", "email_key")
  WHERE "project_id" IS NOT NULL AND "accepted_at" IS NULL AND "revoked_at" IS NULL;
CREATE UNIQUE INDEX "invitations_open_on_server" ON "invitations" ("email_key")
  WHERE "project_id" IS NULL AND "accepted_at" IS NULL AND "revoked_at" IS NULL;

-- How many mails an address was sent lately.
CREATE INDEX "one_time_tokens_of_invitations" ON "one_time_tokens" ("email", "created_at") WHERE "purpose" = 'invitation';

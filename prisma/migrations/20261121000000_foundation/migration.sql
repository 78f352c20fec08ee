-- CreateTable
CREATE TABLE "users" (
    "id" UUID NOT NULL,
    "email" TEXT NOT NULL,
    "email_key" TEXT NOT NULL,
    "name" TEXT,
    "role" TEXT NOT NULL,
    "password_hash" TEXT NOT NULL,
    "email_verified_at" TIMESTAMPTZ(3),
    "disabled_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_login_at" TIMESTAMPTZ(3),
    "max_parallel_jobs" INTEGER,
    "max_parallel_jobs_limit" INTEGER,
    "statement_timeout_ms" INTEGER,
    "max_rows" INTEGER,

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "sessions" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "user_agent" TEXT,
    "ip_address" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_used_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "sessions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "refresh_tokens" (
    "id" UUID NOT NULL,
    "session_id" UUID NOT NULL,
    "token_hash" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "used_at" TIMESTAMPTZ(3),
    "sealed_child" TEXT,

    CONSTRAINT "refresh_tokens_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "projects" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "projects_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "project_members" (
    "id" UUID NOT NULL,
    "project_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "role" TEXT NOT NULL,
    "joined_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "project_members_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "databases" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "owner_id" UUID,
    "project_id" UUID,
    "engine" TEXT NOT NULL,
    "host" TEXT NOT NULL,
    "port" INTEGER NOT NULL,
    "database_name" TEXT NOT NULL,
    "username" TEXT NOT NULL,
    "ssl_mode" TEXT NOT NULL,
    "ssl_root_certificate" TEXT,
    "allow_insecure_authentication" BOOLEAN NOT NULL DEFAULT false,
    "sealed_password" TEXT NOT NULL,
    "read_only" BOOLEAN NOT NULL,
    "hosted" BOOLEAN NOT NULL DEFAULT false,
    "system" BOOLEAN NOT NULL DEFAULT false,
    "server_version" TEXT,
    "capabilities" TEXT[],
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "databases_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "database_roles" (
    "database_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "role_name" TEXT NOT NULL,
    "sealed_password" TEXT NOT NULL,

    CONSTRAINT "database_roles_pkey" PRIMARY KEY ("database_id","user_id")
);

-- CreateTable
CREATE TABLE "jobs" (
    "id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "owner_id" UUID NOT NULL,
    "database_id" UUID,
    "target_label" TEXT NOT NULL,
    "name" TEXT,
    "sql" TEXT NOT NULL,
    "parameters" JSONB,
    "read_only" BOOLEAN NOT NULL,
    "transaction" TEXT NOT NULL,
    "timeout_ms" INTEGER NOT NULL,
    "max_rows" INTEGER NOT NULL,
    "idempotency_key" TEXT,
    "submitted_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "started_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),
    "cancel_requested_at" TIMESTAMPTZ(3),
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "error" JSONB,
    "progress_rows" BIGINT NOT NULL DEFAULT 0,
    "progress_bytes" BIGINT NOT NULL DEFAULT 0,
    "revision" INTEGER NOT NULL DEFAULT 1,
    "change_xid" BIGINT NOT NULL,
    "change_seq" BIGINT NOT NULL,
    "fence" INTEGER NOT NULL DEFAULT 0,
    "worker_id" UUID,
    "lease_until" TIMESTAMPTZ(3),
    "backend_id" TEXT,
    "backend_started_at" TEXT,

    CONSTRAINT "jobs_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "job_notices" (
    "job_id" UUID NOT NULL,
    "index" INTEGER NOT NULL,
    "message" TEXT NOT NULL,

    CONSTRAINT "job_notices_pkey" PRIMARY KEY ("job_id","index")
);

-- CreateTable
CREATE TABLE "result_sets" (
    "id" UUID NOT NULL,
    "job_id" UUID NOT NULL,
    "index" INTEGER NOT NULL,
    "statement" TEXT NOT NULL,
    "command" TEXT NOT NULL,
    "columns" JSONB NOT NULL,
    "row_count" BIGINT,
    "stored_rows" BIGINT NOT NULL DEFAULT 0,
    "truncated" BOOLEAN NOT NULL DEFAULT false,
    "duration_ms" INTEGER,

    CONSTRAINT "result_sets_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "result_chunks" (
    "result_set_id" UUID NOT NULL,
    "index" INTEGER NOT NULL,
    "first_row" BIGINT NOT NULL,
    "rows" INTEGER NOT NULL,
    "blob" TEXT NOT NULL,

    CONSTRAINT "result_chunks_pkey" PRIMARY KEY ("result_set_id","index")
);

-- CreateTable
CREATE TABLE "audit_entries" (
    "id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "actor_id" UUID,
    "action" TEXT NOT NULL,
    "subject" TEXT,
    "outcome" TEXT NOT NULL,
    "ip_address" TEXT,
    "details" JSONB,

    CONSTRAINT "audit_entries_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "key_checks" (
    "key_id" TEXT NOT NULL,
    "sealed" TEXT NOT NULL,

    CONSTRAINT "key_checks_pkey" PRIMARY KEY ("key_id")
);

-- CreateIndex
CREATE UNIQUE INDEX "users_email_key_key" ON "users"("email_key");

-- CreateIndex
CREATE INDEX "sessions_user_id_idx" ON "sessions"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "refresh_tokens_token_hash_key" ON "refresh_tokens"("token_hash");

-- CreateIndex
CREATE INDEX "refresh_tokens_session_id_idx" ON "refresh_tokens"("session_id");

-- CreateIndex
CREATE INDEX "project_members_user_id_idx" ON "project_members"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "project_members_project_id_user_id_key" ON "project_members"("project_id", "user_id");

-- CreateIndex
CREATE INDEX "databases_owner_id_idx" ON "databases"("owner_id");

-- CreateIndex
CREATE INDEX "databases_project_id_idx" ON "databases"("project_id");

-- CreateIndex
CREATE INDEX "jobs_owner_id_submitted_at_id_idx" ON "jobs"("owner_id", "submitted_at" DESC, "id" DESC);

-- CreateIndex
CREATE INDEX "jobs_database_id_idx" ON "jobs"("database_id");

-- CreateIndex
CREATE INDEX "jobs_owner_id_change_xid_change_seq_idx" ON "jobs"("owner_id", "change_xid", "change_seq");

-- CreateIndex
CREATE UNIQUE INDEX "jobs_owner_id_idempotency_key_key" ON "jobs"("owner_id", "idempotency_key");

-- CreateIndex
CREATE UNIQUE INDEX "result_sets_job_id_index_key" ON "result_sets"("job_id", "index");

-- CreateIndex
CREATE INDEX "result_chunks_result_set_id_first_row_idx" ON "result_chunks"("result_set_id", "first_row");

-- CreateIndex
CREATE INDEX "audit_entries_actor_id_created_at_idx" ON "audit_entries"("actor_id", "created_at");

-- AddForeignKey
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "refresh_tokens" ADD CONSTRAINT "refresh_tokens_session_id_fkey" FOREIGN KEY ("session_id") REFERENCES "sessions"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "project_members" ADD CONSTRAINT "project_members_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "project_members" ADD CONSTRAINT "project_members_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "databases" ADD CONSTRAINT "databases_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "databases" ADD CONSTRAINT "databases_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "database_roles" ADD CONSTRAINT "database_roles_database_id_fkey" FOREIGN KEY ("database_id") REFERENCES "databases"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "database_roles" ADD CONSTRAINT "database_roles_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_database_id_fkey" FOREIGN KEY ("database_id") REFERENCES "databases"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "job_notices" ADD CONSTRAINT "job_notices_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "jobs"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "result_sets" ADD CONSTRAINT "result_sets_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "jobs"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "result_chunks" ADD CONSTRAINT "result_chunks_result_set_id_fkey" FOREIGN KEY ("result_set_id") REFERENCES "result_sets"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "audit_entries" ADD CONSTRAINT "audit_entries_actor_id_fkey" FOREIGN KEY ("actor_id") REFERENCES "users"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- Beyond what the Prisma schema can say.

-- Orders the events of jobs inside one transaction; the transaction's own number orders them across.
CREATE SEQUENCE "job_changes";

-- The queue reads only these two, however many finished jobs there are.
CREATE INDEX "jobs_queued" ON "jobs" ("owner_id", "id") WHERE "status" = 'queued';
CREATE INDEX "jobs_running" ON "jobs" ("owner_id", "lease_until") WHERE "status" = 'running';

ALTER TABLE "jobs" ADD CONSTRAINT "jobs_status" CHECK ("status" IN ('queued', 'running', 'succeeded', 'failed', 'cancelled'));
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_running_has_lease" CHECK (("status" = 'running') = ("lease_until" IS NOT NULL));

-- When a key first sealed here: the one that came last is the one that all secrets are wrapped for.
ALTER TABLE "key_checks" ADD COLUMN "activated_at" TIMESTAMPTZ(3);

-- What an installation made up for itself once, sealed.
CREATE TABLE "installation_secrets" (
    "name" TEXT NOT NULL,
    "sealed" TEXT NOT NULL,

    CONSTRAINT "installation_secrets_pkey" PRIMARY KEY ("name")
);

-- Few of many rows have a secret.
CREATE INDEX "jobs_sealed" ON "jobs" ("id") WHERE "sealed_connection" IS NOT NULL;
CREATE INDEX "refresh_tokens_sealed" ON "refresh_tokens" ("id") WHERE "sealed_child" IS NOT NULL;

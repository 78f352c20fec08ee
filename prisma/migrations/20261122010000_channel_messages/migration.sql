-- CreateTable
CREATE TABLE "channel_logs" (
    "project_id" UUID NOT NULL,
    "newest" BIGINT NOT NULL DEFAULT 0,
    "lost" BIGINT NOT NULL DEFAULT 0,
    "bytes" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "channel_logs_pkey" PRIMARY KEY ("project_id")
);

-- CreateTable
CREATE TABLE "channel_messages" (
    "project_id" UUID NOT NULL,
    "position" BIGINT NOT NULL,
    "channel" TEXT NOT NULL,
    "place" BIGINT NOT NULL,
    "previous" BIGINT NOT NULL,
    "payload" JSON NOT NULL,
    "bytes" INTEGER NOT NULL,
    "sender_id" UUID,
    "sent_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "channel_messages_pkey" PRIMARY KEY ("project_id","position")
);

-- CreateIndex
CREATE INDEX "channel_messages_sender_id_idx" ON "channel_messages"("sender_id");

-- CreateIndex
CREATE UNIQUE INDEX "channel_messages_project_id_channel_place_key" ON "channel_messages"("project_id", "channel", "place");

-- AddForeignKey
ALTER TABLE "channel_logs" ADD CONSTRAINT "channel_logs_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "channel_messages" ADD CONSTRAINT "channel_messages_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "channel_logs"("project_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "channel_messages" ADD CONSTRAINT "channel_messages_sender_id_fkey" FOREIGN KEY ("sender_id") REFERENCES "users"("id") ON DELETE SET NULL ON UPDATE CASCADE;

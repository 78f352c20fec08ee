-- CreateTable
CREATE TABLE "change_feed_remains" (
    "id" UUID NOT NULL,
    "feed_id" UUID NOT NULL,
    "sealed_target" TEXT NOT NULL,
    "left_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "next_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "change_feed_remains_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "change_feed_remains_next_at_idx" ON "change_feed_remains"("next_at");

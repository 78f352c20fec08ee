-- Who runs jobs: whoever accepts one may give it to a worker that has a place free and hears of it at once.
CREATE TABLE "workers" (
    "id" UUID NOT NULL,
    "mailbox" UUID NOT NULL,
    "concurrency" INTEGER NOT NULL,
    "seen_until" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "workers_pkey" PRIMARY KEY ("id")
);

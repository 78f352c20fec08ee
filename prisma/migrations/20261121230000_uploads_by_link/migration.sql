-- What createUpload has reserved goes on when the same is asked for again; the others have a writer of their own.
ALTER TABLE "files" ADD COLUMN     "by_link" BOOLEAN NOT NULL DEFAULT false;

-- What a chunk becomes in memory is known before it is fetched; of older ones it is not.
ALTER TABLE "result_chunks" ADD COLUMN "text_bytes" INTEGER;

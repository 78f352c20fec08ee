import { defineConfig } from 'prisma/config';

// Paths are relative to this file; the URL is only for authoring migrations (`npm run prisma -- migrate dev`).
export default defineConfig({
  schema: '../prisma/schema.prisma',
  migrations: { path: '../prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL ?? 'postgresql://postgres@127.0.0.1:5432/postgres' },
});

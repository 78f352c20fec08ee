/** A process of its own that migrates and prints what it applied; its argument is the JSON of MigrateOptions. */
import { migrate } from '../../src/db/migrate.ts';

process.stdout.write(JSON.stringify(await migrate(JSON.parse(process.argv[2] ?? ''))));

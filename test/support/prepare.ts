// Brings into the cache what `make test` builds or fetches once, so that no test's time is spent on it.
import { buildPrograms } from '../posix/programs.ts';
import { debianRoot, SAMPLE_PACKAGES } from './debian.ts';
import { containerdBinaries, withoutModule } from './fetch-containerd.ts';

if (withoutModule === undefined) await containerdBinaries('module');
await buildPrograms();
await debianRoot('small', SAMPLE_PACKAGES);

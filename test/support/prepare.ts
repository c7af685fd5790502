// Brings into the cache what `make test` builds or fetches once, so that no test's time is spent on it.

import { containerdBinaries, withoutModule } from '../../scripts/stand/fetch-containerd.ts';
import { buildPrograms } from '../posix/programs.ts';
import { debianRoot, SAMPLE_PACKAGES } from './debian.ts';

if (withoutModule === undefined) await containerdBinaries('2.3');
await buildPrograms();
await debianRoot('small', SAMPLE_PACKAGES);

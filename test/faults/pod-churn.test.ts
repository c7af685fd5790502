// Many pods of the sandbox API made and removed side by side: no call fails, nothing stays. Three rounds in each loop, or
// as many as BULKHEAD_TEST_ROUNDS says.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { runtime } from '../../scripts/stand/runtime.ts';
import { sandboxApiHandler } from '../support/cri-config.ts';
import { assertNothingNew, type Belongings, belongings } from '../support/leaks.ts';
import { PodHost } from '../support/pod.ts';

const skip = !runtime.isVm && 'runc has no sandbox API';
const LOOPS = 4;
const rounds = Number(process.env.BULKHEAD_TEST_ROUNDS ?? 3);
/** The whole of a pod's life under load, with room to spare. */
const ROUND_MS = 60_000;

let host: PodHost;
let clean: Belongings;
before(async () => {
  if (skip) return;
  host = await PodHost.start({ flavour: 'sid' });
  clean = belongings(host.daemon);
});
after(() => host?.stop());

test(`${LOOPS} loops of ${rounds} pods: none fails to stop or to be removed`, {
  skip,
  timeout: ROUND_MS * rounds,
}, async () => {
  const failures: string[] = [];
  const loop = async (name: number): Promise<void> => {
    for (let round = 1; round <= rounds; round++) {
      try {
        const pod = await host.pod({ handler: sandboxApiHandler });
        await pod.remove();
      } catch (error) {
        failures.push(`loop ${name}, round ${round}: ${error}`);
      }
    }
  };
  await Promise.all(Array.from({ length: LOOPS }, (_, name) => loop(name)));
  assert.deepEqual(failures, [], `${failures.length} of ${LOOPS * rounds} pods`);
  await assertNothingNew(host.daemon, clean);
});

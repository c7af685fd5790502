// Trees that a guest makes to keep the host busy: too deep for a path, too wide for a moment. Containers and the pod go
// quickly all the same, the shim answers meanwhile, and what lies in a volume stays its owner's.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { mustRun, run } from '../../scripts/stand/command.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import type { FakeContainerd } from '../support/fake-containerd.ts';
import { HostilePod, hostileHost, shareInGuest, watchAnswers } from '../support/hostile/attack.ts';
import { assertNothingNew, type Belongings, belongings } from '../support/leaks.ts';
import type { Mount } from '../support/spec.ts';

const long = process.env.BULKHEAD_TEST_LONG === '1';

/**
 * Folders in one another: their path is beyond PATH_MAX from 2,048 on. The daemon holds a descriptor for each that
 * the guest has in use, of 20,000 on some machines.
 */
const levels = long ? 15_000 : 2_500;
/** Files in one folder. */
const files = long ? 200_000 : 4_000;

const options = { skip: !runtime.isVm && 'it is about the VM', timeout: long ? 600_000 : 120_000 };

let fake: FakeContainerd;
let clean: Belongings;
let volumes: string;
before(async () => {
  fake = await hostileHost();
  volumes = join(fake.dir, 'volumes');
  mkdirSync(volumes);
  clean = belongings(fake);
});
after(async () => {
  // Node cannot remove what is that deep. The state may have mounts when the test has failed.
  for (const dir of ['volumes', 'o']) await run('rm', ['-rf', join(fake.dir, dir)]);
  await fake.stop();
});

function bind(name: string): Mount {
  const source = join(volumes, name);
  mkdirSync(source);
  return { destination: '/vol', type: 'bind', source, options: ['rbind', 'rw'] };
}

/** How many things lie below a folder of the host, itself included. */
async function count(dir: string): Promise<number> {
  const { stdout } = await mustRun('find', [dir, '-printf', 'x'], { timeoutMs: 120_000 });
  return stdout.length;
}

/** Time of a step, in which the shim has to answer within a second. */
async function timed(
  t: TestContext,
  what: string,
  pod: HostilePod,
  step: () => Promise<void>,
): Promise<number> {
  const answers = watchAnswers(pod.shim);
  const started = performance.now();
  await step();
  const ms = performance.now() - started;
  const longest = await answers.stop();
  t.diagnostic(`${what}: ${ms.toFixed(0)} ms, State within ${longest.toFixed(0)} ms`);
  assert.ok(longest < 1_000, `State took ${longest} ms`);
  return ms;
}

test('deep and wide, in a volume, in a root and at the top of the share', options, async (t) => {
  const mount = bind('shared');
  const pod = await HostilePod.start(fake, 'trees', { mounts: [mount] });
  const makeMs = long ? 400_000 : 60_000;
  let removedMs: number;
  try {
    const joined = await pod.join(undefined, [bind('own')]);
    assert.equal(joined.error, undefined);
    for (const place of ['/vol', '/', shareInGuest, `${shareInGuest}/${joined.id}`]) {
      const script = `mkdir ${place}/deep ${place}/wide 2>/dev/null || exit 0; /attack deep ${place}/deep ${levels} && /attack wide ${place}/wide ${files}`;
      await pod.sh(script, makeMs);
    }
    assert.equal(await count(mount.source), 3 + levels + files);
    const leaveMs = await timed(t, 'delete of a container', pod, () => pod.leave(joined.id));
    assert.ok(leaveMs < 5_000, `the container went within ${leaveMs} ms`);
  } finally {
    const started = performance.now();
    await pod.shim.remove();
    removedMs = performance.now() - started;
  }
  t.diagnostic(`removal of the pod: ${removedMs.toFixed(0)} ms`);
  assert.ok(removedMs < 10_000, `the pod went within ${removedMs} ms`);
  assert.equal(await count(mount.source), 3 + levels + files, 'the volume keeps what is its own');
  const { stdout } = await run('ls', [join(fake.bulkheadState, fake.namespace)]);
  assert.equal(stdout, '', 'no folder of the sandbox is left');
  await assertNothingNew(fake, clean, ['trees'], 15_000);
});

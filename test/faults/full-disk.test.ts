// No space where sandboxes keep their state: each write and each folder of a boot fails once, with clear words and
// nothing left; a container that runs already is not disturbed and can be ended.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { describe, mustRun } from '../../scripts/stand/command.ts';
import { runArgs } from '../../scripts/stand/containerd.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { CtrContainer } from '../support/ctr.ts';
import { FakeContainerd } from '../support/fake-containerd.ts';
import { assertNothingNew, belongings } from '../support/leaks.ts';
import { useContainerd } from '../support/stands.ts';

const skip = !runtime.isVm && 'it is about the state of VMs';
/** More than any boot needs; the last round of each sweep must run the container. */
const MOST = 40;

const { daemon } = await useContainerd();
mkdirSync(daemon.bulkheadState, { recursive: true });

/** Puts the state on a file system of its own. */
async function withState(options: string, use: () => Promise<void>): Promise<void> {
  await mustRun('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', daemon.bulkheadState]);
  try {
    await use();
  } finally {
    await mustRun('umount', [daemon.bulkheadState]);
  }
}

/** Runs a container; false when there was no room for it, which must be said and leave nothing. */
async function runs(id: string): Promise<boolean> {
  const clean = belongings(daemon);
  const result = await daemon.ctr([...runArgs('--rm', '--null-io'), id, 'true'], { timeoutMs: 60_000 });
  if (result.code !== 0) {
    assert.match(result.stderr, /ENOSPC|No space left/i, describe(result));
    await daemon.ctr(['container', 'delete', id]);
  }
  await assertNothingNew(daemon, clean, [id]);
  return result.code === 0;
}

for (const [what, options] of [
  ['files and folders', (count: number) => `nr_inodes=${count + 1}`],
  ['pages', (count: number) => `size=${count * 4}k`],
] as const) {
  test(`room for fewer ${what} than a sandbox needs`, { skip, timeout: 280_000 }, async () => {
    let failed = 0;
    for (let count = 1; count <= MOST; count++) {
      let good = false;
      await withState(options(count), async () => {
        good = await runs(`few-${what.length}-${count}`);
      });
      if (good) break;
      failed++;
    }
    assert.ok(failed > 0 && failed < MOST, `${failed} of ${MOST} runs had no room`);
  });
}

test('the disk fills while a container runs: exec, signals and the end work', {
  skip,
  timeout: 60_000,
}, async () => {
  await withState('size=4m', async () => {
    const clean = belongings(daemon);
    const box = await CtrContainer.start(daemon, 'filled', ['sleep', '1000'], ['--null-io']);
    const filler = join(daemon.bulkheadState, 'filler');
    const { bavail, bsize } = statfsSync(daemon.bulkheadState);
    writeFileSync(filler, Buffer.alloc(bavail * bsize));
    assert.equal(await box.sh('sleep 0.3; echo lives'), 'lives\n');
    await box.kill();
    await box.waitStatus('STOPPED');
    await daemon.mustCtr(['task', 'delete', 'filled']);
    await daemon.mustCtr(['container', 'delete', 'filled']);
    rmSync(filler);
    await assertNothingNew(daemon, clean, ['filled']);
  });
});

test('start in a bundle without room fails with words, and no server runs', { skip }, async (t) => {
  const fake = await FakeContainerd.start();
  t.after(() => fake.stop());
  const bundle = await fake.bundle('full', undefined);
  const clean = belongings(fake, ['full']);
  await mustRun('mount', ['-t', 'tmpfs', '-o', 'nr_inodes=2', 'tmpfs', bundle]);
  writeFileSync(join(bundle, 'config.json'), '{"ociVersion":"1.0.2"}');
  const result = await fake.invoke('full', 'start', [], { cwd: bundle });
  assert.notEqual(result.code, 0, describe(result));
  assert.match(result.stderr, /ENOSPC/);
  await mustRun('umount', [bundle]);
  await assertNothingNew(fake, clean, ['full']);
});

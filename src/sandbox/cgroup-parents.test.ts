// Parents of control groups, in the host's real hierarchies.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { hierarchies, makeCgroup, removeCgroups } from '../../scripts/stand/cgroups.ts';
import { createCgroup } from '../host/cgroup.ts';

const state = mkdtempSync(join(tmpdir(), 'bulkhead-parents-'));
process.env.BULKHEAD_STATE = state;
// Where the state is, is found out once.
const { claimedParents, claimParents, releaseParents } = await import('./cgroup-parents.ts');

const name = `bh-parents-${process.pid}`;
const exists = (path: string): boolean[] => hierarchies().map((point) => existsSync(join(point, path)));
afterEach(() => removeCgroups(`/${name}`));
after(() => rmSync(state, { recursive: true }));

/** As a sandbox does: claim, make; the function takes it away. */
async function sandbox(group: string): Promise<() => Promise<void>> {
  claimParents(group);
  const cgroup = await createCgroup(group);
  return async () => {
    await cgroup.remove();
    releaseParents(group);
  };
}

test('parents that nobody made go with the last sandbox in them', async () => {
  const end = await sandbox(`/${name}/pod/a`);
  assert.deepEqual(claimedParents().sort(), [`/${name}`, `/${name}/pod`]);
  assert.ok(exists(`/${name}/pod/a`).every(Boolean));
  const other = await sandbox(`/${name}/pod/b`);
  await end();
  assert.ok(exists(`/${name}/pod/b`).every(Boolean), 'the other one is still in it');
  await other();
  releaseParents(`/${name}/pod/b`);
  assert.ok(!exists(`/${name}`).some(Boolean));
  assert.deepEqual(readdirSync(state), [], 'and so do the notes');
});

test('parents that were there stay, and what others have put into ours', async () => {
  makeCgroup(`/${name}`);
  const end = await sandbox(`/${name}/pod/a`);
  assert.deepEqual(claimedParents(), [`/${name}/pod`]);
  makeCgroup(`/${name}/pod/foreign`);
  await end();
  assert.ok(exists(`/${name}/pod/foreign`).every(Boolean));
  removeCgroups(`/${name}/pod/foreign`);
  releaseParents(`/${name}/pod/a`);
  assert.ok(!exists(`/${name}/pod`).some(Boolean));
  assert.ok(exists(`/${name}`).every(Boolean));
});

test('a parent that is missing in some hierarchies goes in those alone', {
  skip: hierarchies().length < 2 && 'one hierarchy',
}, async () => {
  makeCgroup(`/${name}`);
  rmdirSync(join(hierarchies()[0]!, name));
  await (await sandbox(`/${name}/a`))();
  assert.deepEqual(
    exists(`/${name}`),
    hierarchies().map((_, index) => index > 0),
  );
});

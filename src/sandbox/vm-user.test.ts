import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const root = mkdtempSync(join(tmpdir(), 'bulkhead-user-'));
process.env.BULKHEAD_STATE = join(root, 'state');
after(() => rmSync(root, { recursive: true }));
// Where the state is, is found out once.
const { claimUser, releaseUser } = await import('./vm-user.ts');

const range = { user: 'own', firstUid: 2_000_000_000, uidCount: 3 } as const;
const none = () => undefined;

test('each sandbox has a number of its own, told before it is claimed, and can claim it again', () => {
  const told: number[] = [];
  const one = claimUser(range, 'ns/one', (uid) => told.push(uid));
  assert.deepEqual(told, [one]);
  assert.equal(readlinkSync(join(root, 'state/.users', String(one))), 'ns/one');
  assert.equal(claimUser(range, 'ns/one', none), one);
  const all = [one, claimUser(range, 'ns/two', none), claimUser(range, 'ns/three', none)];
  assert.deepEqual(
    all.toSorted(),
    [0, 1, 2].map((n) => n + range.firstUid),
  );
  assert.throws(() => claimUser(range, 'ns/four', none), /all 3 users for VMs from 2000000000 on are taken/);
  releaseUser(one, 'ns/four');
  assert.throws(() => claimUser(range, 'ns/four', none), /taken/);
  releaseUser(one, 'ns/one');
  releaseUser(one, 'ns/one');
  assert.equal(claimUser(range, 'ns/four', none), one);
  for (const uid of all) for (const name of ['four', 'two', 'three']) releaseUser(uid, `ns/${name}`);
  assert.ok(!existsSync(join(root, 'state/.users')), 'the folder goes with the last of them');
});

test('root needs no claim', () => {
  assert.equal(claimUser({ ...range, user: 'root' }, 'ns/one', none), 0);
  assert.ok(!existsSync(join(root, 'state/.users')));
});

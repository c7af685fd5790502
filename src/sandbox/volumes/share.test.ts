// What the host mounts for the guest, with real binds of a scratch folder.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { isWithin, readMountinfo } from '../../host/mountinfo.ts';
import { GUEST_SHARE, type HostVolume, Share } from './share.ts';

let dir: string;
let share: Share;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'bulkhead-share-'));
  for (const name of ['data', 'other']) {
    mkdirSync(join(dir, name));
    writeFileSync(join(dir, name, 'file'), name);
  }
  share = await Share.create(dir);
});
afterEach(async () => {
  await share.close();
  assert.deepEqual(mounts(), [], 'a closed share has no mounts');
  for (const name of ['data', 'other'])
    assert.ok(existsSync(join(dir, name, 'file')), 'nothing of the host goes');
  rmSync(dir, { recursive: true });
});

const mounts = () =>
  readMountinfo().flatMap(({ mountPoint }) =>
    isWithin(dir, mountPoint) ? [mountPoint.slice(dir.length)] : [],
  );

function volume(name: string, over: Partial<HostVolume> = {}): HostVolume {
  const base = { readOnly: 'no', recursive: true, isShared: true, identity: name } as const;
  return { source: join(dir, name), ...base, ...over };
}

/** Reserves one volume. @returns its path in the guest. */
const reserve = (id: string, of: HostVolume): string => share.reserve(id, new Map([['it', of]])).get('it')!;

const onHost = (guest: string) => join(share.dir, guest.slice(GUEST_SHARE.length));
const rootfs = () => [{ type: 'bind', source: join(dir, 'data'), target: '', options: ['bind'] }];

test('a source that two containers bind is mounted once, until the last of them is gone', async () => {
  const path = reserve('a', volume('data'));
  assert.equal(reserve('b', volume('data')), path);
  for (const id of ['a', 'b']) await share.addContainer(id, []);
  assert.equal(mounts().length, 2, "the share's own, and one");
  await share.removeContainer('a');
  assert.deepEqual(readdirSync(onHost(path)), ['file']);
  assert.equal(reserve('c', volume('data')), path);
  await share.removeContainer('b');
  await share.removeContainer('c');
  assert.equal(mounts().length, 1);
  assert.notEqual(reserve('d', volume('data')), path, 'a path that the guest has never seen');
});

test('another thing at the same path, other rights or other owners are another volume', () => {
  const paths = [
    volume('data'),
    volume('data', { identity: 'replaced meanwhile' }),
    volume('data', { readOnly: 'top' }),
    volume('data', { recursive: false }),
    volume('data', { isShared: false }),
    volume('data', { idMap: ['uidmap=0:7:1', 'gidmap=0:7:1'] }),
    volume('other'),
  ].map((one) => reserve('a', one));
  assert.equal(new Set(paths).size, paths.length);
});

test('the rights are those of the host', async () => {
  const path = reserve('a', volume('data', { readOnly: 'all' }));
  await share.addContainer('a', []);
  assert.throws(() => writeFileSync(join(onHost(path), 'new'), ''), { code: 'EROFS' });
});

test('a mount that fails leaves nothing after the removal, and the next container can try again', async () => {
  reserve('a', volume('other'));
  reserve('a', volume('missing'));
  await assert.rejects(share.addContainer('a', rootfs()), /missing/);
  await share.removeContainer('a');
  assert.deepEqual(mounts(), ['/mounts']);
  reserve('b', volume('other'));
  await share.addContainer('b', rootfs());
  assert.equal(mounts().length, 3);
  await share.removeContainer('b');
  await share.removeContainer('b');
  assert.deepEqual(mounts(), ['/mounts']);
});

test('a container that comes while another goes finds their volume mounted', async () => {
  const path = reserve('a', volume('data'));
  await share.addContainer('a', []);
  const going = share.removeContainer('a');
  const later = reserve('b', volume('data'));
  await Promise.all([going, share.addContainer('b', [])]);
  assert.deepEqual(readdirSync(onHost(later)), ['file']);
  assert.ok(later === path || !existsSync(onHost(path)));
});

test('of two containers that come at once, one mounts what both bind', async () => {
  const path = reserve('a', volume('data'));
  reserve('b', volume('data'));
  await Promise.all([share.addContainer('a', rootfs()), share.addContainer('b', rootfs())]);
  assert.equal(mounts().length, 4);
  await Promise.all([share.removeContainer('a'), share.removeContainer('b')]);
  assert.deepEqual(mounts(), ['/mounts']);
  assert.ok(!existsSync(onHost(path)));
});

test('a container by the name of one of the two folders takes no volume of others along', async () => {
  const path = reserve('a', volume('data'));
  await share.addContainer('a', []);
  await share.addContainer('volumes', rootfs());
  await share.removeContainer('volumes');
  assert.deepEqual(readdirSync(onHost(path)), ['file']);
});

test('a closed share admits nothing; what is under way ends first; once for all callers', async () => {
  reserve('s', volume('data'));
  await share.addContainer('s', rootfs());
  reserve('late', volume('data', { readOnly: 'all' }));
  const underWay = share.addContainer('early', rootfs());
  await turn();
  const closed = share.close();
  assert.equal(share.close(), closed);
  const late = share.addContainer('late', rootfs());
  await underWay;
  await assert.rejects(late, {
    code: 'unavailable',
    message: 'container late comes too late: its sandbox is ending',
  });
  await Promise.all([closed, share.removeContainer('late'), share.removeContainer('s')]);
  assert.deepEqual(mounts(), []);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compactOverlay, type MountEntry, planMount, planTarget } from './mount-plan.ts';

const entry = (change: Partial<MountEntry>): MountEntry => ({
  type: 'bind',
  source: '/src',
  target: '/root/t',
  options: [],
  ...change,
});
const plan = (change: Partial<MountEntry>) => planMount(entry(change), '/root');

test('a bind, by type or by option; anything else is a file system', () => {
  assert.deepEqual(plan({ options: ['rbind', 'ro'] }), {
    bind: { source: '/src', target: 't', options: ['rbind', 'ro'] },
  });
  assert.deepEqual(plan({ type: '', options: ['bind'], target: '/root/a/b' }), {
    bind: { source: '/src', target: 'a/b', options: ['bind'] },
  });
  assert.deepEqual(plan({ type: 'ext4', source: '/dev/x', options: ['ro'] }), {
    mount: { type: 'ext4', source: '/dev/x', target: 't', options: ['ro'] },
  });
});

test('mapped owners: of a bind, of the lower folders of an overlay, of any other file system', () => {
  const ids = ['uidmap=0:7:9', 'gidmap=0:8:9'];
  const idMap = { uids: '0:7:9', gids: '0:8:9' };
  assert.deepEqual(plan({ options: ['rbind', ...ids] }), {
    bind: { source: '/src', target: 't', options: ['rbind'], idMap },
  });
  const options = [...ids, 'upperdir=/u', 'workdir=/w', 'lowerdir=/a:/b\\:c', 'index=off'];
  assert.deepEqual(plan({ type: 'overlay', source: 'overlay', options }), {
    mount: {
      ...{ type: 'overlay', source: 'overlay', target: 't' },
      ...{ options: ['upperdir=/u', 'workdir=/w', 'index=off'], lower: ['/a', '/b:c'], idMap },
    },
  });
  assert.deepEqual(plan({ type: 'ext4', source: '/dev/x', options: ids }), {
    mount: { type: 'ext4', source: '/dev/x', target: 't', options: [], idMap },
  });
});

test('a target must lie below the root', () => {
  assert.equal(planTarget('/root/a//b/', '/root'), 'a/b');
  for (const target of ['/root', '/root/', '/rootx/y', '/root/../x', '/root/a/../b', '/', 'a/b']) {
    assert.throws(() => planTarget(target, '/root'), /is outside of \/root/, target);
  }
});

test('an overlay that does not fit into a page is made relative to its common folder', () => {
  const lower = Array.from(
    { length: 120 },
    (_, i) => `/var/lib/containerd/io.containerd.snapshotter/snapshots/${i}/fs`,
  );
  const others = ['upperdir=/elsewhere/up', 'workdir=/elsewhere/work', 'index=off'];
  const long = plan({
    type: 'overlay',
    source: 'overlay',
    options: [`lowerdir=${lower.join(':')}`, ...others],
  });
  assert.deepEqual(long, {
    mount: {
      ...{ type: 'overlay', source: 'overlay', target: 't' },
      folder: '/var/lib/containerd/io.containerd.snapshotter/snapshots',
      options: [`lowerdir=${lower.map((_, i) => `${i}/fs`).join(':')}`, ...others],
    },
  });
  const short = { type: 'overlay', source: 'overlay', options: ['lowerdir=/a:/b'] };
  assert.deepEqual(plan(short), { mount: { ...short, target: 't' } });
});

test('an overlay that fits nowhere is an error, and relative lower folders stay as they are', () => {
  const lower = Array.from({ length: 120 }, (_, i) => `/${'x'.repeat(60)}${i}/fs`);
  const options = [`lowerdir=${lower.join(':')}`];
  assert.throws(() => plan({ type: 'overlay', options }), /do not fit into 4095 bytes/);
  assert.equal(compactOverlay(['lowerdir=a:b']), undefined);
  assert.equal(compactOverlay(['upperdir=/x']), undefined);
});

test('a colon in a lower folder stays escaped', () => {
  const compact = compactOverlay(['lowerdir=/s/a\\:b/fs:/s/c/fs', 'upperdir=/s/u']);
  assert.deepEqual(compact, { folder: '/s', options: ['lowerdir=a\\:b/fs:c/fs', 'upperdir=u'] });
});

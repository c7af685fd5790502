import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compactOverlay, escapeField, formatFstab, type MountEntry, planMounts } from './mount-plan.ts';

const entry = (change: Partial<MountEntry>): MountEntry => ({
  type: 'bind',
  source: '/src',
  target: '/root/t',
  options: [],
  ...change,
});

test('every bind is staged as a slave, with its flags, and bound again from there', () => {
  const plan = planMounts(
    [entry({ options: ['rbind', 'ro', 'nosuid', 'rprivate'] }), entry({ options: ['rw'] })],
    {
      helperDir: '/h',
    },
  );
  assert.deepEqual(
    plan.stages.map((s) => s.path),
    ['/h/stage-0', '/h/stage-1'],
  );
  assert.equal(plan.steps.length, 1);
  assert.deepEqual(
    plan.steps[0]?.lines.map((l) => `${l.source} ${l.target} ${l.options}`),
    [
      '/src /h/stage-0 rbind,ro,nosuid,rslave',
      '/h/stage-0 /root/t rbind',
      '/src /h/stage-1 bind,rslave',
      '/h/stage-1 /root/t bind',
    ],
  );
});

test('mapped owners: a bind from its stage, the lower folders of an overlay, any other file system behind a stage', () => {
  const ids = ['uidmap=0:7:9', 'gidmap=0:8:9'];
  const idMap = { uids: '0:7:9', gids: '0:8:9' };
  const overlay = {
    ...{ type: 'overlay', source: 'overlay', target: '/root/o' },
    options: [...ids, 'upperdir=/u', 'workdir=/w', 'lowerdir=/a:/b\\:c', 'index=off'],
  };
  const plan = planMounts(
    [
      entry({ options: ['rbind', 'ro', ...ids] }),
      overlay,
      entry({ type: 'ext4', source: '/dev/x', target: '/root/e', options: ['ro', ...ids] }),
    ],
    { helperDir: '/h' },
  );
  assert.deepEqual(
    plan.steps.map((step) => [step.idMap, step.lines.map((l) => `${l.source} ${l.target} ${l.options}`)]),
    [
      [undefined, ['/src /h/stage-0 rbind,ro,rslave']],
      [idMap, ['/h/stage-0 /root/t rbind', '/a /h/stage-1-0 ', '/b:c /h/stage-1-1 ']],
      [
        undefined,
        [
          'overlay /root/o upperdir=/u,workdir=/w,lowerdir=/h/stage-1-0:/h/stage-1-1,index=off',
          '/dev/x /h/stage-2 ro',
        ],
      ],
      [idMap, ['/h/stage-2 /root/e ']],
    ],
  );
  assert.deepEqual(
    plan.stages.map(({ path, entry: of }) => `${path} ${of}`),
    ['/h/stage-0 0', '/h/stage-1-0 1', '/h/stage-1-1 1', '/h/stage-2 2'],
  );
});

test('sharing comes first, in the same process', () => {
  const plan = planMounts([entry({ type: 'tmpfs', source: 'tmpfs' })], {
    helperDir: '/h',
    shareDir: '/root',
  });
  assert.equal(plan.steps.length, 1);
  assert.deepEqual(
    plan.steps[0]?.lines.map((l) => `${l.source} ${l.target} ${l.type} ${l.options}`),
    ['/root /root none bind,private', 'none /root none shared', 'tmpfs /root/t tmpfs '],
  );
});

test('an overlay that does not fit into a page is made relative to its common folder', () => {
  const lower = Array.from(
    { length: 120 },
    (_, i) => `/var/lib/containerd/io.containerd.snapshotter/snapshots/${i}/fs`,
  );
  const options = [
    `lowerdir=${lower.join(':')}`,
    'upperdir=/elsewhere/up',
    'workdir=/elsewhere/work',
    'index=off',
  ];
  const overlay = entry({ type: 'overlay', source: 'overlay', options });
  const plan = planMounts([overlay, entry({ type: 'tmpfs', source: 'tmpfs' })], { helperDir: '/h' });
  assert.deepEqual(
    plan.steps.map((s) => s.cwd),
    ['/var/lib/containerd/io.containerd.snapshotter/snapshots', undefined],
  );
  const text = plan.steps[0]?.lines[0]?.options ?? '';
  assert.ok(text.startsWith('lowerdir=0/fs:1/fs:2/fs'));
  assert.ok(text.endsWith('upperdir=/elsewhere/up,workdir=/elsewhere/work,index=off'));
  const short = planMounts([entry({ type: 'overlay', source: 'overlay', options: ['lowerdir=/a:/b'] })], {
    helperDir: '/h',
  });
  assert.equal(short.steps[0]?.cwd, undefined);
});

test('an overlay that fits nowhere is an error, and relative lower folders stay as they are', () => {
  const lower = Array.from({ length: 120 }, (_, i) => `/${'x'.repeat(60)}${i}/fs`);
  const overlay = entry({ type: 'overlay', options: [`lowerdir=${lower.join(':')}`] });
  assert.throws(() => planMounts([overlay], { helperDir: '/h' }), /do not fit into 4095 bytes/);
  assert.equal(compactOverlay(['lowerdir=a:b']), undefined);
  assert.equal(compactOverlay(['upperdir=/x']), undefined);
});

test('a colon in a lower folder stays escaped', () => {
  const compact = compactOverlay(['lowerdir=/s/a\\:b/fs:/s/c/fs', 'upperdir=/s/u']);
  assert.deepEqual(compact, { cwd: '/s', text: 'lowerdir=a\\:b/fs:c/fs,upperdir=u' });
});

test('fstab fields are escaped', () => {
  assert.equal(escapeField('a b\tc\\d\n#'), 'a\\040b\\011c\\134d\\012\\043');
  const line = { source: '/a b', target: '/t', type: 'none', options: '' };
  assert.equal(formatFstab([line]), '/a\\040b /t none defaults 0 0\n');
});

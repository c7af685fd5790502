import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWithin, parseMountinfo, readMountinfo, unescapeOctal } from './mountinfo.ts';

test('a line is parsed with its tags, escapes and empty parts', () => {
  const [mount, netns] = parseMountinfo(
    [
      '36 35 98:0 /mnt1 /mnt2\\040with\\134odd\\012names rw,noatime shared:5 master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue',
      '50 26 0:4 net:[4026532281] /run/netns/x rw - nsfs nsfs rw',
      'broken',
      '1 2 3',
      '',
    ].join('\n'),
  );
  assert.deepEqual(mount, {
    id: 36,
    parentId: 35,
    device: '98:0',
    root: '/mnt1',
    mountPoint: '/mnt2 with\\odd\nnames',
    options: ['rw', 'noatime'],
    shared: 5,
    master: 1,
    type: 'ext3',
    source: '/dev/root',
    superOptions: ['rw', 'errors=continue'],
  });
  assert.equal(netns?.root, 'net:[4026532281]');
  assert.equal(netns?.shared, undefined);
});

test('the table of this process has a root', () => {
  assert.ok(readMountinfo().some((m) => m.mountPoint === '/'));
});

test('octal escapes are undone once, not twice', () => {
  assert.equal(unescapeOctal('a\\134040b'), 'a\\040b');
  assert.equal(unescapeOctal('plain'), 'plain');
});

test('within means the folder itself or below it, not a longer name', () => {
  assert.equal(isWithin('/a/b', '/a/b'), true);
  assert.equal(isWithin('/a/b', '/a/b/c'), true);
  assert.equal(isWithin('/a/b', '/a/bc'), false);
  assert.equal(isWithin('/', '/x'), true);
});

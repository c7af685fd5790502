import assert from 'node:assert/strict';
import { test } from 'node:test';
import { doubtful } from './answering.ts';
import { parseMountinfo } from './mountinfo.ts';

test('only what has a server may never answer; the mount that covers a path counts', () => {
  const table = parseMountinfo(
    [
      '1 0 8:1 / / rw - ext4 /dev/sda rw',
      '2 1 0:50 / /net rw - nfs4 server:/ rw',
      '3 2 0:51 / /net/local rw - tmpfs none rw',
      '4 1 0:52 / /fuse rw - fuse.sshfs host: rw',
      '5 1 0:53 / /covered rw - ceph a:/ rw',
      '6 5 0:54 / /covered rw - xfs /dev/sdb rw',
    ].join('\n'),
  );
  const sources = ['/etc/hosts', '/net', '/net/a/b', '/net/local/c', '/fuse', '/fuses', '/covered/x'];
  assert.deepEqual(
    [...doubtful(sources, table)],
    [
      ['/net', 'nfs4'],
      ['/net/a/b', 'nfs4'],
      ['/fuse', 'fuse.sshfs'],
    ],
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseArgs } from './args.ts';

test('reads the command lines of containerd and CRI-O', () => {
  const argv =
    '-namespace k8s.io -address /run/c.sock -publish-binary /usr/bin/containerd -id web -debug start';
  assert.deepEqual(parseArgs(argv.split(' ')), {
    namespace: 'k8s.io',
    address: '/run/c.sock',
    publishBinary: '/usr/bin/containerd',
    id: 'web',
    bundle: '',
    socket: '',
    debug: true,
    action: 'start',
  });
  const crio = [
    '-namespace',
    'default',
    '-address',
    '',
    '-publish-binary',
    '/usr/bin/crio',
    '-id',
    'a',
    'start',
  ];
  assert.equal(parseArgs(crio).address, '');
  assert.equal(parseArgs(['-id=a', '--bundle=/b', '-debug=false', 'delete']).bundle, '/b');
  assert.equal(parseArgs(['-id=a', '-debug=false', 'delete']).debug, false);
  assert.equal(parseArgs(['-info']).action, 'info');
  assert.equal(parseArgs(['-v']).action, 'version');
});

test('says which word it did not understand', () => {
  assert.throws(() => parseArgs(['-id', 'a', 'stop']), /unknown action "stop"/);
  assert.throws(() => parseArgs(['-nonsense', 'start']), /unknown flag "-nonsense"/);
  assert.throws(() => parseArgs(['start', '-id']), /-id needs a value/);
  assert.throws(() => parseArgs(['-id', 'a']), /no action/);
});

test('refuses ids and namespaces that would be no names of folders', () => {
  for (const bad of ['../web', 'a/b', '.', '..', '-x', 'a\nb', 'a\0b', 'ä', 'x'.repeat(256)]) {
    assert.throws(() => parseArgs(['-id', bad, 'start']), /flag -id: .* is not a valid name/);
    assert.throws(() => parseArgs(['-namespace', bad, 'delete']), /flag -namespace: .* is not a valid name/);
  }
  assert.equal(parseArgs(['-id', 'A_b.c-1', 'start']).id, 'A_b.c-1');
});

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { dnsLines, dnsOf } from './resolv-conf.ts';

test('lines without comments, bounded', () => {
  const text = '# made by hand\n\nnameserver 10.0.0.10 \n; more\nsearch a.b c\r\noptions ndots:5\n';
  assert.deepEqual(dnsLines(text), ['nameserver 10.0.0.10', 'search a.b c', 'options ndots:5']);
  assert.equal(dnsLines('nameserver ::1\n'.repeat(1000)).length, 64);
  assert.deepEqual(dnsLines('x'.repeat(2000)), []);
});

test('the file is the one that the spec binds', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'bulkhead-dns-'));
  try {
    const source = join(dir, 'resolv.conf');
    writeFileSync(source, 'nameserver 192.0.2.53\n');
    const mounts = [
      { destination: '/etc/hosts', source: '/etc/hosts' },
      { destination: '/etc/resolv.conf', source },
    ];
    assert.deepEqual(await dnsOf(mounts), ['nameserver 192.0.2.53']);
    assert.deepEqual(await dnsOf([{ destination: '/etc/resolv.conf', source: join(dir, 'none') }]), []);
    assert.deepEqual(await dnsOf([]), []);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

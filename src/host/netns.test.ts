import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isNetns, netnsKind } from './netns.ts';

test("the host's network namespace, a file, and nothing", () => {
  assert.equal(netnsKind('/proc/self/ns/net'), 'host');
  assert.equal(netnsKind('/etc/hostname'), 'other-file');
  assert.equal(netnsKind('/proc/self/ns/mnt'), 'other-file');
  assert.equal(netnsKind('/no/such/path'), 'missing');
  assert.equal(isNetns('/no/such/path'), false);
});

test('a namespace of its own, by process and as a bind mount, also after the process', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'bulkhead-netns-'));
  const pin = join(dir, 'ns');
  writeFileSync(pin, '');
  const child = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec sleep 100'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(child.stdout, 'data');
    assert.equal(netnsKind(`/proc/${child.pid}/ns/net`), 'own');
    execFileSync('mount', ['--bind', `/proc/${child.pid}/ns/net`, pin]);
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal(netnsKind(pin), 'own');
    assert.equal(netnsKind(`/proc/${child.pid}/ns/net`), 'missing');
  } finally {
    child.kill('SIGKILL');
    spawnSync('umount', ['-l', pin]);
    unlinkSync(pin);
    rmdirSync(dir);
  }
});

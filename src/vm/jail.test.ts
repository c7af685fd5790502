import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { filesJail, vmmJail } from './jail.ts';

const dir = realpathSync(mkdtempSync(join(tmpdir(), 'bulkhead-jail-')));
after(() => rmSync(dir, { recursive: true }));

function program(folder: string): string {
  mkdirSync(join(dir, folder), { recursive: true });
  const path = join(dir, folder, 'program');
  writeFileSync(path, '');
  return path;
}

const vmm = (path: string) => vmmJail([path, '-x'], { dir, kernel: path, uid: 7, kvm: false });

test('a program with its own prefix sees its libraries and data, but not everything else there', () => {
  const path = program('opt/bin');
  const { visible, argv } = vmm(path);
  assert.deepEqual(argv, [path, '-x']);
  const own = visible.filter((one) => one.startsWith(dir));
  assert.deepEqual(own, [
    path,
    ...['lib', 'lib32', 'lib64', 'libexec', 'share'].map((name) => join(dir, 'opt', name)),
  ]);
  const alone = program('somewhere');
  assert.deepEqual(
    vmm(alone).visible.filter((one) => one.startsWith(dir)),
    [alone],
  );
});

test('the VMM runs as its own user without capabilities; KVM only where it is used', () => {
  const path = program('bin');
  const jail = vmm(path);
  assert.deepEqual([jail.uid, jail.gid, jail.capabilities, jail.seccomp], [7, 7, [], 'vmm']);
  assert.ok(!jail.devices.includes('/dev/kvm'));
  assert.ok(vmmJail([path], { dir, kernel: path, uid: 7, kvm: true }).devices.includes('/dev/kvm'));
});

test('the file system daemon sees itself and the share, and cannot open files by their handles', () => {
  const path = program('bin');
  const { capabilities, mounts, visible } = filesJail([path], { dir, shared: dir });
  assert.deepEqual(visible, [path]);
  assert.ok(!capabilities.includes('DAC_READ_SEARCH') && !capabilities.includes('SYS_ADMIN'));
  assert.deepEqual(mounts, [{ source: dir, target: '/share', recursive: true }]);
});

// Bind mounts through `ctr run`: folders, files, read-only, nested, changes seen by both sides, large files intact.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { appendFile, chown, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { mustRun } from '../../scripts/stand/command.ts';
import { repoRoot } from '../../scripts/stand/paths.ts';
import { CtrContainer } from '../support/ctr.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { useContainerd } from '../support/stands.ts';

const { daemon, clean } = await useContainerd();
const host = join(daemon.dir, 'host');
for (const name of ['rw', 'ro', 'rw/sub', 'inner', 'nested/below'])
  await mkdir(join(host, name), { recursive: true });
await mustRun('mount', ['-t', 'tmpfs', 'tmpfs', join(host, 'nested', 'below')]);
await writeFile(join(host, 'rw', 'seen'), 'from host\n');
await writeFile(join(host, 'ro', 'fixed'), 'fixed\n');
await writeFile(join(host, 'single'), 'one file\n');
await writeFile(join(host, 'hosts'), '10.9.8.7 bulkhead-test\n');
await writeFile(join(host, 'resolv.conf'), 'nameserver 10.9.8.6\n');
await writeFile(join(host, 'odd name, with comma'), 'odd\n');
await symlink('seen', join(host, 'rw', 'link'));
const bind = (src: string, dst: string, options: string): string[] => [
  '--mount',
  `type=bind,src=${join(host, src)},dst=${dst},options=${options}`,
];
const mounts = [
  ...bind('rw', '/data', 'rbind:rw'),
  ...bind('inner', '/data/sub', 'rbind:rw'),
  ...bind('ro', '/fixed', 'rbind:ro'),
  ...bind('single', '/etc/single.conf', 'rbind:ro'),
  ...bind('hosts', '/etc/hosts', 'rbind:ro'),
  ...bind('resolv.conf', '/etc/resolv.conf', 'rbind:rw'),
  ...bind('ro', '/made/on/the/way', 'rbind:ro'),
  ...bind('nested', '/plain', 'rbind:ro'),
  ...bind('nested', '/whole', 'rbind:rro'),
];
const box = await CtrContainer.start(daemon, 'binds', ['sleep', '100000'], ['--null-io', ...mounts]);

test('a folder is shared both ways, at once', async () => {
  assert.equal(await box.sh('sleep 0.3; cat /data/seen'), 'from host\n');
  await box.sh('echo from guest > /data/answer; mkdir /data/made; mv /data/answer /data/made/');
  assert.equal(await readFile(join(host, 'rw', 'made', 'answer'), 'utf8'), 'from guest\n');
  await writeFile(join(host, 'rw', 'later'), 'later\n');
  assert.equal(await box.sh('sleep 0.3; cat /data/later'), 'later\n');
  await writeFile(join(host, 'rw', 'later'), 'changed and longer\n');
  assert.equal(await box.sh('sleep 1.2; cat /data/later'), 'changed and longer\n');
  await box.sh('rm /data/later');
  await assert.rejects(stat(join(host, 'rw', 'later')));
});

test('what the guest has read and keeps is dropped when the host changes it', async () => {
  const file = join(host, 'rw', 'kept');
  for (const text of ['one', 'two', 'six']) {
    await writeFile(file, text);
    assert.equal(await box.sh('sleep 1.2; cat /data/kept; cat /data/kept'), text + text);
  }
  // By a process that has had it open all the time, and in a listing of its folder.
  // (By read: the sendfile of busybox's cat does not ask for the size again, whatever the cache does.)
  const wait = 'until [ -e /data/changed ]; do sleep 0.2; done; sleep 1.2';
  await box.sh(`ls /data >/dev/null; { dd; ${wait}; dd; } </data/kept >/data/seen-by-one &`);
  await box.sh('until [ -s /data/seen-by-one ]; do sleep 0.2; done');
  await appendFile(file, ' ten');
  await writeFile(join(host, 'rw', 'changed'), '');
  assert.equal(
    await box.sh('until grep ten /data/seen-by-one; do sleep 0.2; done; ls /data/changed'),
    'six ten\n/data/changed\n',
  );
});

test('a mount inside a mount, a symlink, ownership and modes', async () => {
  await box.sh('echo deep > /data/sub/deep');
  assert.equal(await readFile(join(host, 'inner', 'deep'), 'utf8'), 'deep\n');
  assert.equal(await box.sh('sleep 0.3; readlink /data/link; cat /data/link'), 'seen\nfrom host\n');
  await box.sh('touch /data/own; chown 1000:2000 /data/own; chmod 4751 /data/own');
  const own = await stat(join(host, 'rw', 'own'));
  assert.deepEqual([own.uid, own.gid, own.mode & 0o7777], [1000, 2000, 0o4751]);
  await chown(join(host, 'rw', 'seen'), 1234, 2345);
  assert.match(await box.sh('sleep 1.2; stat -c %u:%g /data/seen'), /1234:2345/);
});

test('read-only stays read-only', async () => {
  const script =
    'sleep 0.3; cat /fixed/fixed; for p in /fixed/new /fixed/fixed /etc/single.conf; do echo x > $p || echo no; done';
  const result = await box.exec(['sh', '-c', script]);
  assert.equal(result.stdout, 'fixed\nno\nno\nno\n');
  assert.match(result.stderr, /Read-only file system/);
  assert.equal(await readFile(join(host, 'ro', 'fixed'), 'utf8'), 'fixed\n');
  const remount = await box.exec(['sh', '-c', 'mount -o remount,rw /fixed 2>&1; echo x > /fixed/new']);
  assert.notEqual(remount.code, 0);
});

test('read-only covers what is mounted below only when it says recursive', async () => {
  const targets = ['/plain/x', '/plain/below/x', '/whole/x', '/whole/below/x'];
  const script = `for p in ${targets.join(' ')}; do touch $p 2>/dev/null && echo $p; done; ls /whole/below`;
  assert.equal(await box.sh(`sleep 0.3; ${script}`), '/plain/below/x\nx\n');
  await mustRun('umount', [join(host, 'nested', 'below')]);
});

test('single files, /etc/hosts and /etc/resolv.conf, and a target that has to be made', async () => {
  assert.equal(await box.sh('sleep 0.3; cat /etc/single.conf /made/on/the/way/fixed'), 'one file\nfixed\n');
  assert.match(
    await box.sh('sleep 0.3; cat /etc/hosts /etc/resolv.conf'),
    /bulkhead-test\nnameserver 10\.9\.8\.6/,
  );
  await box.sh('echo nameserver 10.1.1.1 >> /etc/resolv.conf');
  assert.match(await readFile(join(host, 'resolv.conf'), 'utf8'), /10\.1\.1\.1/);
});

test('a large file is intact in both directions', { timeout: 120_000 }, async () => {
  const data = randomBytes(24 << 20);
  await writeFile(join(host, 'rw', 'large'), data);
  const sum = createHash('sha256').update(data).digest('hex');
  assert.match(
    await box.sh('sleep 0.3; sha256sum /data/large', { timeoutMs: 100_000 }),
    new RegExp(`^${sum}`),
  );
  await box.sh('cp /data/large /data/copy', { timeoutMs: 100_000 });
  const copy = await readFile(join(host, 'rw', 'copy'));
  assert.equal(createHash('sha256').update(copy).digest('hex'), sum);
});

test('many small files, hard links, sparse files, rename over, unlink while open', {
  timeout: 120_000,
}, async () => {
  const script = `set -e; cd /data; mkdir many; i=0; while [ $i -lt 200 ]; do echo $i > many/f$i; i=$((i+1)); done
    ls many | wc -l; ln many/f1 hard; stat -c %h hard; dd if=/dev/zero of=sparse bs=1 count=1 seek=10000000 2>/dev/null
    echo a > one; echo b > two; mv two one; cat one; exec 3< one; rm one; cat <&3; sleep 0.3`;
  assert.equal(await box.sh(script, { timeoutMs: 100_000 }), '200\n2\nb\nb\n');
  const sparse = await stat(join(host, 'rw', 'sparse'));
  assert.equal(sparse.size, 10_000_001);
  assert.ok(sparse.blocks * 512 < 1_000_000, `a sparse file stays sparse: ${sparse.blocks} blocks`);
});

test('locks of every kind: those that wait do, and what is read-only can be shared', async () => {
  const program = join(host, 'rw', 'locks');
  await mustRun('cc', ['-static', '-O1', '-o', program, join(repoRoot, 'test/support/locks.c')]);
  await writeFile(join(host, 'rw', 'locked'), '');
  // Only a failure prints anything.
  await box.sh(
    'touch /own && /data/locks /own && /data/locks /data/locked && /data/locks /data/locked shared',
  );
  await box.sh('/data/locks /fixed/fixed shared && /data/locks /etc/hosts shared');
});

test('setuid and setgid go when another user writes, and when a file gets another owner', async () => {
  for (const dir of ['/data', '/root']) {
    await box.sh(`chmod 755 /root; cd ${dir}; for n in w t o r; do echo data > $n; chmod 6777 $n; done`);
    await box.sh(
      `su -s /bin/sh app -c 'cd ${dir}; echo x >> w; : > t'; cd ${dir}; chown 12:12 o; echo x >> r`,
    );
    const modes = await box.sh(`cd ${dir}; stat -c '%n %a' w t o r; sleep 0.3`);
    assert.equal(modes, 'w 777\nt 777\no 777\nr 6777\n', dir);
  }
});

test('nothing of the host but the mounts is seen, and nothing stays', async () => {
  const names = await box.sh('sleep 0.3; ls /; ls /proc/1/root/ | wc -l');
  assert.doesNotMatch(names, /\b(boot|srv|opt)\b/);
  await box.remove();
  await assertNothingNew(daemon, clean, ['binds']);
  assert.equal(
    await readFile(join(host, 'ro', 'fixed'), 'utf8'),
    'fixed\n',
    'the mounted folders are still there',
  );
});

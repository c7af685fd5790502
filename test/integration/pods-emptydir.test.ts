// emptyDir in its kinds, and /dev/shm: where they live, their limits, who shares them, how long they last.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mustRun } from '../../scripts/stand/command.ts';
import { mountsBelow } from '../../scripts/stand/mounts.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { assertNothingNew, belongings } from '../support/leaks.ts';
import { type PodContainer, PodHost } from '../support/pod.ts';
import { usePodHost } from '../support/stands.ts';
import { diskEmptyDir, hugepageEmptyDir, memoryEmptyDir } from '../support/volumes.ts';

const { host, clean } = await usePodHost();
const pod = await host.pod();

/** Type and size in KiB of the file system at a path. */
async function fileSystem(box: PodContainer, path: string): Promise<{ type: string; kib: number }> {
  const type = (await box.sh(`grep ' ${path} ' /proc/mounts | tail -1 | cut -d' ' -f3`)).trim();
  const kib = Number((await box.sh(`df -Pk ${path} | tail -1 | sed 's/  */ /g' | cut -d' ' -f2`)).trim());
  return { type, kib };
}

test('memory: a tmpfs of the guest with its limit, shared by the containers, not on the host', async () => {
  const path = await memoryEmptyDir(pod, 'cache', '24m');
  const mounts = [{ containerPath: '/cache', hostPath: path }];
  const [a, b] = [await pod.run({ mounts }), await pod.run({ mounts })];
  assert.deepEqual(await fileSystem(a, '/cache'), { type: 'tmpfs', kib: 24 * 1024 });
  assert.equal(await a.sh('stat -c %a /cache'), '777\n');
  await a.sh('echo word > /cache/file');
  assert.equal(await b.sh('cat /cache/file'), 'word\n');
  // Large data written by one is intact for the other.
  const sum = await a.sh(
    'dd if=/dev/urandom of=/cache/large bs=1M count=16 2>/dev/null; sha256sum < /cache/large',
  );
  assert.equal(await b.sh('sha256sum < /cache/large'), sum);
  const full = await b.exec(['sh', '-c', 'dd if=/dev/zero of=/cache/more bs=1M count=20']);
  assert.match(full.stderr, /No space left/);
  await b.sh('rm /cache/more');
  if (runtime.isVm)
    assert.deepEqual(readdirSync(path), [], 'the data is in the guest, not in memory of the host');
  // A container that is restarted finds its data; also when no container had it in between.
  for (const box of [a, b]) {
    await box.stop();
    await box.remove();
  }
  const again = await pod.run({ mounts });
  assert.equal(await again.sh('cat /cache/file; sha256sum < /cache/large'), `word\n${sum}`);
  const readOnly = await pod.run({ mounts: [{ ...mounts[0]!, readonly: true }] });
  assert.equal(await readOnly.sh('cat /cache/file'), 'word\n');
  assert.match((await readOnly.exec(['touch', '/cache/x'])).stderr, /Read-only file system/);
});

test('memory without a limit of its own; two volumes do not mix', async () => {
  const one = await memoryEmptyDir(pod, 'free');
  const two = await memoryEmptyDir(pod, 'other', '1m');
  const box = await pod.run({
    mounts: [
      { containerPath: '/free', hostPath: one },
      { containerPath: '/other', hostPath: two },
    ],
  });
  await box.sh('echo 1 > /free/one; [ ! -e /other/one ]');
  assert.ok((await fileSystem(box, '/free')).kib > 1024);
  assert.equal((await fileSystem(box, '/other')).kib, 1024);
});

test('memory without a limit: full ones are ENOSPC, and leave the guest what it needs', {
  skip: !runtime.isVm && 'it is about the VM',
  timeout: 120_000,
}, async () => {
  const own = await host.pod();
  // What the kubelet gives: the memory of the node.
  const mounts = [];
  for (const name of ['one', 'two'])
    mounts.push({ containerPath: `/${name}`, hostPath: await memoryEmptyDir(own, name, '24g') });
  const neighbour = await own.run();
  const box = await own.run({ mounts });
  for (const path of ['/one', '/two', '/dev/shm']) {
    const { code, stderr } = await box.exec(
      ['dd', 'if=/dev/zero', `of=${path}/all`, 'bs=1M', 'count=2000'],
      60,
    );
    assert.equal(code, 1, stderr);
    assert.match(stderr, /No space left on device/);
  }
  assert.equal((await fileSystem(box, '/one')).kib, (await fileSystem(box, '/two')).kib);
  // Who wants all that is left is killed for it, and nobody else.
  const { code } = await box.exec(['tail', '/dev/zero'], 60);
  assert.equal(code, 137);
  for (const one of [box, neighbour]) assert.equal(await one.sh('echo alive'), 'alive\n');
  assert.equal(await box.sh('rm /one/all; echo word > /one/file; cat /one/file'), 'word\n');
  await own.remove();
});

test('fsGroup: group, setgid bit and mode reach the containers of each kind', async () => {
  const owner = { gid: 2345, mode: 0o770 };
  const memory = await memoryEmptyDir(pod, 'grouped-memory', '1m', owner);
  const disk = diskEmptyDir(pod, 'grouped-disk', owner);
  const box = await pod.run({
    mounts: [
      { containerPath: '/memory', hostPath: memory },
      { containerPath: '/disk', hostPath: disk },
    ],
    security: { runAsUser: { value: 1000 }, runAsGroup: { value: 1000 }, supplementalGroups: [2345] },
  });
  for (const path of ['/memory', '/disk']) {
    assert.equal(await box.sh(`stat -c '%g %a' ${path}`), '2345 2770\n', path);
    assert.equal(await box.sh(`touch ${path}/mine; stat -c '%u %g' ${path}/mine`), '1000 2345\n', path);
  }
});

test('a mode that is not the usual one', async () => {
  const path = await memoryEmptyDir(pod, 'private', '1m', { mode: 0o1750 });
  const box = await pod.run({ mounts: [{ containerPath: '/private', hostPath: path }] });
  assert.equal(await box.sh('stat -c %a /private'), '1750\n');
});

test('subPath: the kubelet binds a folder of the volume elsewhere', async () => {
  const volume = await memoryEmptyDir(pod, 'parts', '4m');
  const first = await pod.run({ mounts: [{ containerPath: '/all', hostPath: volume }] });
  // With a VM the host does not see what containers write, so the kubelet makes the folder on the host side.
  const sub = join(volume, 'inner');
  await mustRun('mkdir', ['-p', sub]);
  const target = join(volume, '..', '..', '..', 'volume-subpaths', 'parts', 'c', '0');
  await mustRun('mkdir', ['-p', target]);
  await mustRun('mount', ['--bind', sub, target]);
  const box = await pod.run({ mounts: [{ containerPath: '/part', hostPath: target }] });
  await box.sh('echo part > /part/file');
  assert.equal(await first.sh('cat /all/inner/file'), 'part\n');
  assert.equal((await fileSystem(box, '/part')).type, 'tmpfs');
});

test('disk: on the host by default, so the kubelet can account for it; shared and lasting', async () => {
  const path = diskEmptyDir(pod, 'disk');
  const mounts = [{ containerPath: '/disk', hostPath: path }];
  const [a, b] = [await pod.run({ mounts }), await pod.run({ mounts })];
  const sum = await a.sh(
    'dd if=/dev/urandom of=/disk/large bs=1M count=8 2>/dev/null; sync; sha256sum < /disk/large',
  );
  assert.equal(await b.sh('sha256sum < /disk/large'), sum);
  await a.sh('echo a >> /disk/log');
  await b.sh('echo b >> /disk/log');
  assert.equal(await a.sh('cat /disk/log'), 'a\nb\n');
  assert.equal(readFileSync(join(path, 'log'), 'utf8'), 'a\nb\n');
  assert.ok(statSync(join(path, 'large')).blocks * 512 >= 8 << 20);
  await a.stop();
  await a.remove();
  const again = await pod.run({ mounts });
  assert.equal(await again.sh('cat /disk/log'), 'a\nb\n');
});

test('a subPath of a disk emptyDir', async () => {
  const volume = diskEmptyDir(pod, 'disk-parts');
  await mustRun('mkdir', [join(volume, 'inner')]);
  const box = await pod.run({ mounts: [{ containerPath: '/part', hostPath: join(volume, 'inner') }] });
  await box.sh('echo disk-part > /part/file');
  assert.equal(readFileSync(join(volume, 'inner', 'file'), 'utf8'), 'disk-part\n');
});

test('/dev/shm: one for the pod, with its size and flags', async () => {
  const [a, b] = [await pod.run(), await pod.run()];
  assert.deepEqual(await fileSystem(a, '/dev/shm'), { type: 'tmpfs', kib: 64 * 1024 });
  assert.equal(await a.sh('stat -c %a /dev/shm'), '1777\n');
  assert.match(await a.sh("grep ' /dev/shm ' /proc/mounts"), /nosuid,nodev,noexec/);
  await a.sh('echo shm > /dev/shm/file');
  assert.equal(await b.sh('cat /dev/shm/file'), 'shm\n');
  // The kubelet's way to a larger one: a memory emptyDir mounted there.
  const large = await memoryEmptyDir(pod, 'dshm', '96m');
  const box = await pod.run({ mounts: [{ containerPath: '/dev/shm', hostPath: large }] });
  assert.equal((await fileSystem(box, '/dev/shm')).kib, 96 * 1024);
  assert.equal((await box.exec(['cat', '/dev/shm/file'])).code, 1, 'a volume of its own');
});

test('huge pages', { skip: !runtime.isVm && 'it is about the VM' }, async () => {
  // The host needs no huge pages: those of the pod are the guest's.
  const path = await hugepageEmptyDir(pod, 'huge', '2M', '4M');
  const box = await pod.run({
    mounts: [{ containerPath: '/huge', hostPath: path }],
    resources: { hugepageLimits: [{ pageSize: '2MB', limit: 4 << 20 }] },
  });
  assert.equal((await fileSystem(box, '/huge')).type, 'hugetlbfs');
  assert.match(await box.sh("grep ' /huge ' /proc/mounts"), /pagesize=2M/);
  assert.match(await box.sh('cat /proc/meminfo'), /HugePages_Total: +2\n/);
});

test('an emptyDir is gone with its pod: the next pod has its own', async () => {
  const volume = await memoryEmptyDir(pod, 'name-in-both', '1m');
  const old = await pod.run({ mounts: [{ containerPath: '/v', hostPath: volume }] });
  await old.sh('echo old > /v/file');
  const next = await host.pod();
  const own = await memoryEmptyDir(next, 'name-in-both', '1m');
  const box = await next.run({ mounts: [{ containerPath: '/v', hostPath: own }] });
  assert.equal(await box.sh('ls /v'), '');
  await next.remove();
});

test("disk, local: in the pod's own root by configuration", {
  skip: !runtime.isVm && 'it is about the VM',
}, async () => {
  const config = join(host.daemon.dir, 'local.toml');
  writeFileSync(config, '[shared_fs]\ndisk_empty_dir = "local"\n');
  const other = await PodHost.start({ env: { BULKHEAD_CONFIG: config } });
  try {
    const own = await other.pod();
    const path = diskEmptyDir(own, 'disk', { gid: 2345 });
    const mounts = [{ containerPath: '/disk', hostPath: path }];
    const [a, b] = [await own.run({ mounts }), await own.run({ mounts })];
    assert.equal(await a.sh('stat -c "%g %a" /disk'), '2345 2777\n');
    await a.sh('echo word > /disk/file');
    assert.equal(await b.sh('cat /disk/file'), 'word\n');
    assert.deepEqual(readdirSync(path), []);
    for (const box of [a, b]) {
      await box.stop();
      await box.remove();
    }
    const again = await own.run({ mounts });
    assert.equal(await again.sh('cat /disk/file'), 'word\n');
    await own.remove();
  } finally {
    await other.stop();
  }
});

test('disk, on a disk of its own by configuration: counted by the kubelet, with a size that holds', {
  skip: !runtime.isVm && 'it is about the VM',
  timeout: 180_000,
}, async () => {
  const config = join(host.daemon.dir, 'disk.toml');
  const allow = '[annotations]\nallow = ["rootfs.disk_size_mib"]\n';
  writeFileSync(config, `[shared_fs]\ndisk_empty_dir = "disk"\n[rootfs]\ndisk_size_mib = 256\n${allow}`);
  const other = await PodHost.start({ env: { BULKHEAD_CONFIG: config } });
  try {
    const before = belongings(other.daemon);
    const own = await other.pod();
    const path = diskEmptyDir(own, 'disk', { gid: 2345 });
    const sub = join(path, 'inner');
    await mustRun('mkdir', ['-p', sub]);
    const mounts = [{ containerPath: '/disk', hostPath: path }];
    const [a, b] = [
      await own.run({ mounts }),
      await own.run({ mounts: [{ ...mounts[0]!, readonly: true }] }),
    ];
    assert.equal((await fileSystem(a, '/disk')).type, 'ext4');
    assert.equal(await a.sh('stat -c "%g %a" /disk; ls -A /disk'), '2345 2777\n');
    await a.sh('dd if=/dev/urandom of=/disk/file bs=1M count=20 2>/dev/null; sync; echo word > /disk/word');
    assert.equal(await b.sh('cat /disk/word'), 'word\n', 'one disk for both');
    assert.match((await b.exec(['touch', '/disk/x'])).stderr, /Read-only file system/);
    const part = await own.run({ mounts: [{ containerPath: '/part', hostPath: sub }] });
    await part.sh('echo part > /part/file');
    assert.equal(await a.sh('cat /disk/inner/file'), 'part\n');
    const { stdout } = await mustRun('du', ['-sk', path]);
    assert.ok(Number.parseInt(stdout, 10) > 20 * 1024, `the kubelet sees ${stdout}`);
    assert.match(
      (await a.exec(['dd', 'if=/dev/zero', 'of=/disk/more', 'bs=1M', 'count=300'])).stderr,
      /No space left/,
    );
    for (const box of [a, b, part]) {
      await box.stop();
      await box.remove();
    }
    const again = await own.run({ mounts });
    assert.equal(await again.sh('cat /disk/word /disk/inner/file'), 'word\npart\n');
    await own.remove();
    await assertNothingNew(other.daemon, before, [own.id]);
  } finally {
    await other.stop();
  }
});

test('nothing stays, and the kubelet can unmount its volumes', async () => {
  await pod.remove();
  const volumes = join(host.daemon.dir, 'kubelet');
  for (const point of mountsBelow(volumes).reverse()) await mustRun('umount', [point]);
  await assertNothingNew(host.daemon, clean, [pod.id]);
});

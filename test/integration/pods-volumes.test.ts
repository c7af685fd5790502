// Volumes that come from the host: config maps and secrets with their updates, hostPath, read-only, termination log.
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { mustRun } from '../../scripts/stand/command.ts';
import { mountsBelow } from '../../scripts/stand/mounts.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { usePodHost } from '../support/stands.ts';
import { AtomicVolume } from '../support/volumes.ts';

const { host, clean } = await usePodHost();
const pod = await host.pod();
const data = join(host.daemon.dir, 'host');
mkdirSync(join(data, 'sub'), { recursive: true });
writeFileSync(join(data, 'file'), 'from the host\n');

for (const plugin of ['configmap', 'secret', 'projected', 'downward-api'] as const) {
  test(`${plugin}: an atomic update becomes visible, all at once`, async () => {
    const volume = new AtomicVolume(pod, plugin, 'settings');
    volume.write({ colour: 'red', size: '1' }, 0o640);
    const mounts = [{ containerPath: '/settings', hostPath: volume.path, readonly: true }];
    const [a, b] = [await pod.run({ mounts }), await pod.run({ mounts })];
    assert.equal(
      await a.sh('cd /settings; cat colour size; stat -L -c %a colour; readlink colour'),
      'red1640\n..data/colour\n',
    );
    const watcher = a.sh(
      'cd /settings; i=0; while [ $i -lt 100 ]; do d=$(cd ..data && cat colour size); case $d in *2) break;; esac; i=$((i+1)); sleep 0.1; done; echo $d',
      40,
    );
    volume.write({ colour: 'blue', size: '2', extra: 'new' }, 0o640);
    assert.equal(await watcher, 'blue2\n', 'never half of the old and half of the new');
    await waitFor(
      'the update in the other container',
      async () => (await b.sh('cat /settings/extra || true')) === 'new',
      10_000,
      200,
    );
    volume.write({ colour: 'green' }, 0o640);
    await waitFor(
      'the second update',
      async () => (await b.sh('cat /settings/colour')) === 'green',
      10_000,
      200,
    );
    assert.notEqual((await a.exec(['sh', '-c', 'echo x > /settings/colour'])).code, 0);
    for (const box of [a, b]) {
      await box.stop();
      await box.remove();
    }
  });
}

test('mode, owner and group of such a volume, and of the folders in it, are those on the host', async () => {
  const box = async (owner: { mode: number; gid: number }, name: string) => {
    const volume = new AtomicVolume(pod, 'projected', name);
    volume.write({ key: 'value' }, 0o440);
    chownSync(volume.path, 0, owner.gid);
    chmodSync(volume.path, owner.mode);
    const data = realpathSync(join(volume.path, '..data'));
    for (const path of [data, join(data, 'key')]) chownSync(path, 0, owner.gid);
    chmodSync(data, 0o2750);
    const mounts = [{ containerPath: '/volume', hostPath: volume.path, readonly: true }];
    return pod.run({ mounts });
  };
  const facts = "cd /volume; stat -c '%a %u %g' .; stat -L -c '%a %u %g' ..data key";
  const plain = await box({ mode: 0o1777, gid: 0 }, 'plain');
  assert.equal(await plain.sh(facts), '1777 0 0\n2750 0 0\n440 0 0\n');
  const grouped = await box({ mode: 0o2777, gid: 2345 }, 'grouped');
  assert.equal(await grouped.sh(facts), '2777 0 2345\n2750 0 2345\n440 0 2345\n');
  for (const one of [plain, grouped]) {
    await one.stop();
    await one.remove();
  }
});

test('a mount that cannot be made is told with the path on the host', async () => {
  const mounts = [{ containerPath: '/etc/passwd', hostPath: data }];
  await assert.rejects(pod.run({ mounts }), ({ message }: Error) => {
    assert.ok(message.includes(data), message);
    if (runtime.isVm) assert.doesNotMatch(message, /kata-containers/);
    return true;
  });
});

/** Prints the names of what is created in or moved into a folder. The image has nothing for it; Debian always has perl. */
const watchScript = `$| = 1; my ($init, $add, $path) = @ARGV;
my $fd = syscall($init + 0, 0); syscall($add + 0, $fd, $path, 0x180) >= 0 or die $!;
open(my $events, "<&=", $fd); print "ready\\n";
while (my $size = sysread($events, my $buffer, 4096)) {
  for (my $at = 0; $at < $size; ) {
    my ($wd, $mask, $cookie, $length) = unpack("iIII", substr($buffer, $at, 16));
    print unpack("Z*", substr($buffer, $at + 16, $length)), "\\n"; $at += 16 + $length;
  }
}`;

test('inotify events of an update', async () => {
  const volume = new AtomicVolume(pod, 'configmap', 'watched');
  volume.write({ key: 'one' });
  const [init, add] = process.arch === 'arm64' ? ['26', '27'] : ['294', '254'];
  const system = ['/usr', '/lib', '/lib64'].map((path) => ({
    containerPath: path,
    hostPath: path,
    readonly: true,
  }));
  const box = await pod.run({
    // The usual way of watching a config map: the folder, for the link that is switched.
    command: ['/usr/bin/perl', '-e', watchScript, init!, add!, '/watched'],
    mounts: [...system, { containerPath: '/watched', hostPath: volume.path, readonly: true }],
  });
  await waitFor('watcher', () => box.output() === 'ready\n', 20_000);
  volume.write({ key: 'two' });
  const events = await waitFor('event', () => /^\.\.data$/m.test(box.output()) && box.output(), 10_000, 100);
  assert.match(events, /^ready\n\.\.2026_11_21_2\n/, 'the new folder is there before the link leads to it');
  assert.equal(await box.sh('cat /watched/key'), 'two');
});

test('a config map with more than the agent copies is still there', async () => {
  const volume = new AtomicVolume(pod, 'configmap', 'large');
  const files = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`key${n}`, `value ${n}`]));
  volume.write(files);
  const box = await pod.run({ mounts: [{ containerPath: '/large', hostPath: volume.path, readonly: true }] });
  assert.equal(await box.sh('ls /large | wc -l; cat /large/key99'), '100\nvalue 99');
});

test('hostPath: a folder both ways, a file, a link, read-only, inside another', async () => {
  symlinkSync(join(data, 'file'), join(host.daemon.dir, 'link-to-file'));
  mkdirSync(join(data, 'fixed'));
  writeFileSync(join(data, 'fixed', 'file'), 'fixed\n');
  const box = await pod.run({
    mounts: [
      { containerPath: '/data', hostPath: data },
      { containerPath: '/single', hostPath: join(data, 'file'), readonly: true },
      { containerPath: '/linked', hostPath: join(host.daemon.dir, 'link-to-file') },
      { containerPath: '/fixed', hostPath: join(data, 'fixed'), readonly: true },
      { containerPath: '/data/sub', hostPath: join(data, 'fixed'), readonly: true },
    ],
  });
  assert.equal(await box.sh('cat /data/file /single /linked'), 'from the host\n'.repeat(3));
  await box.sh('echo from the guest > /data/answer');
  assert.equal(readFileSync(join(data, 'answer'), 'utf8'), 'from the guest\n');
  for (const target of ['/fixed/file', '/single', '/data/sub/file']) {
    const { code, stderr } = await box.exec(['sh', '-c', `echo x > ${target}`]);
    assert.equal(code, 1, target);
    assert.match(stderr, /Read-only file system/);
  }
  assert.equal(await box.sh('cat /data/sub/file; ls /data/fixed'), 'fixed\nfile\n');
});

test('a folder that two containers write: each sees the other at once', async () => {
  const mounts = [{ containerPath: '/data', hostPath: data }];
  const [a, b] = [await pod.run({ mounts }), await pod.run({ mounts })];
  for (let round = 0; round < 3; round++) {
    await a.sh('echo a >> /data/both');
    await b.sh('echo b >> /data/both');
    assert.equal(await a.sh('cat /data/both'), 'a\nb\n'.repeat(round + 1));
  }
  await a.stop();
  await a.remove();
  assert.equal(await b.sh('cat /data/file'), 'from the host\n', 'the volume stays for the one that is left');
});

test('a mount that appears on the host later is seen (HostToContainer)', async () => {
  const parent = join(host.daemon.dir, 'propagated');
  mkdirSync(join(parent, 'later'), { recursive: true });
  await mustRun('mount', ['--bind', parent, parent]);
  await mustRun('mount', ['--make-shared', parent]);
  const box = await pod.run({
    mounts: [{ containerPath: '/p', hostPath: parent, propagation: 'PROPAGATION_HOST_TO_CONTAINER' }],
  });
  assert.equal(await box.sh('ls /p/later'), '');
  await mustRun('mount', ['-t', 'tmpfs', 'tmpfs', join(parent, 'later')]);
  writeFileSync(join(parent, 'later', 'news'), 'news\n');
  await waitFor(
    'the new mount',
    async () => (await box.sh('cat /p/later/news || true')) === 'news\n',
    10_000,
    200,
  );
  await box.stop();
  await box.remove();
  await mustRun('umount', [join(parent, 'later')]);
});

test('bidirectional propagation is refused with words', {
  skip: !runtime.isVm && 'it is about the VM',
}, async () => {
  const parent = join(host.daemon.dir, 'propagated');
  const mounts = [
    { containerPath: '/p', hostPath: parent, propagation: 'PROPAGATION_BIDIRECTIONAL' as const },
  ];
  await assert.rejects(pod.run({ mounts, security: { privileged: false } }), /bidirectional/);
});

test("termination log: what the container writes is in the kubelet's file", async () => {
  const file = join(
    host.daemon.dir,
    'kubelet',
    'pods',
    pod.config.metadata.uid,
    'containers',
    'c',
    '1a2b3c4d',
  );
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, '', { mode: 0o666 });
  const box = await pod.run({
    command: ['sh', '-c', 'echo "went wrong" > /dev/termination-log; exit 3'],
    mounts: [{ containerPath: '/dev/termination-log', hostPath: file }],
    annotations: { 'io.kubernetes.container.terminationMessagePath': '/dev/termination-log' },
  });
  assert.equal((await box.exited()).exitCode, 3);
  assert.equal(readFileSync(file, 'utf8'), 'went wrong\n');
});

test('a volume with a file system of its own: size, and files intact', async () => {
  const image = join(host.daemon.dir, 'disk.img');
  const path = pod.volumePath('csi', 'pvc-1');
  mkdirSync(path, { recursive: true });
  await mustRun('truncate', ['-s', '32M', image]);
  await mustRun('mkfs.ext4', ['-q', image]);
  await mustRun('mount', ['-o', 'loop', image, path]);
  const box = await pod.run({ mounts: [{ containerPath: '/pvc', hostPath: path }] });
  const kib = Number(await box.sh("df -Pk /pvc | tail -1 | sed 's/  */ /g' | cut -d' ' -f2"));
  assert.ok(kib > 20_000 && kib < 33_000, `${kib} KiB`);
  await box.sh('dd if=/dev/urandom of=/pvc/file bs=1M count=4 2>/dev/null; sync');
  assert.equal(statSync(join(path, 'file')).size, 4 << 20);
  await box.stop();
  await box.remove();
});

test('block devices: one for two containers, read-only where it says so, and free again afterwards', async () => {
  const image = join(host.daemon.dir, 'raw.img');
  await mustRun('truncate', ['-s', '8M', image]);
  const loop = (await mustRun('losetup', ['--find', '--show', image])).stdout.trim();
  try {
    const device = (permissions: string) => [{ containerPath: '/dev/xvda', hostPath: loop, permissions }];
    const [a, b] = [await pod.run({ devices: device('rwm') }), await pod.run({ devices: device('rwm') })];
    const read = await pod.run({ devices: device('r') });
    await a.sh('echo raw data | dd of=/dev/xvda bs=512 seek=8 conv=sync,fsync 2>/dev/null');
    assert.equal((await b.sh('dd if=/dev/xvda bs=512 skip=8 count=1 2>/dev/null')).slice(0, 9), 'raw data\n');
    assert.equal(readFileSync(image).toString('latin1', 4096, 4105), 'raw data\n');
    assert.equal(
      (await read.sh('dd if=/dev/xvda bs=512 skip=8 count=1 2>/dev/null')).slice(0, 9),
      'raw data\n',
    );
    assert.notEqual((await read.exec(['sh', '-c', 'echo x > /dev/xvda'])).code, 0);
    for (const box of [a, b, read]) {
      await box.stop();
      await box.remove();
    }
    const again = await pod.run({ devices: device('rwm') });
    assert.equal(
      (await again.sh('dd if=/dev/xvda bs=512 skip=8 count=1 2>/dev/null')).slice(0, 9),
      'raw data\n',
    );
    await again.stop();
    await again.remove();
  } finally {
    await mustRun('losetup', ['-d', loop]);
  }
});

test('a source that does not exist is an error that names it', async () => {
  await assert.rejects(
    pod
      .run({
        mounts: [{ containerPath: '/x', hostPath: join(host.daemon.dir, 'absent', 'x'), readonly: true }],
      })
      .then(async (box) => {
        // containerd makes missing hostPath folders itself; then it is an empty folder.
        assert.equal(await box.sh('ls /x'), '');
        throw new Error('made by containerd');
      }),
    /absent|made by containerd/,
  );
});

test('nothing stays', async () => {
  await pod.remove();
  for (const dir of ['kubelet', 'propagated'])
    for (const point of mountsBelow(join(host.daemon.dir, dir)).reverse()) await mustRun('umount', [point]);
  await assertNothingNew(host.daemon, clean, [pod.id]);
});

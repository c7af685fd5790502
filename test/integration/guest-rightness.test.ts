// Where a guest could differ from a host: targets of mounts behind dangling links, devices of privileged containers, the clock.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mustRun } from '../../scripts/stand/command.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { within } from '../../scripts/stand/wait.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec, defaultCapabilities, type Spec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const { fake, clean } = await useFakeContainerd();
const image = join(fake.dir, 'image');
for (const [link, to] of [
  ['data', '/var/real'],
  ['near', 'there/it/is'],
  ['chain', 'data2'],
  ['data2', '/var/end'],
  ['etc/up', '../../../../../climbed/x'],
  ['etc/conf', '/var/conf/file.conf'],
  ['circle', 'circle'],
] as const)
  symlinkSync(to, join(image, link));

function specOf(id: string, script: string): Spec {
  return containerSpec(['sh', '-c', `${script}`], `/${fake.namespace}/${id}`);
}

/** What a container prints, and its upper folder. */
async function outputOf(id: string, spec: Spec): Promise<{ text: string; upper: string }> {
  const shim = await fake.shim(id, spec);
  const io = await shim.run();
  await within('exit', 60_000, shim.task.wait({ id }));
  await io.ended();
  await shim.remove();
  return { text: io.output + io.errors, upper: join(fake.dir, 'o', id, 'upper') };
}

for (const readonly of [false, true]) {
  test(`a mount whose target is a dangling link is made inside of the root${readonly ? ', also of a read-only one' : ''}`, {
    timeout: 120_000,
  }, async () => {
    const id = `links-${readonly}`;
    const volume = join(fake.dir, 'volume', id);
    mkdirSync(volume, { recursive: true });
    writeFileSync(join(volume, 'seen'), 'seen\n');
    const spec = specOf(
      id,
      `set -e
    touch /data/a; grep -o ' /var/real [a-z]* ' /proc/mounts; ls /var/real
    cat /data/below/seen /near/seen /var/end/seen /climbed/x/seen
    cat /etc/conf; readlink /data; ls -d /var/real/below`,
    );
    spec.root.readonly = readonly;
    const tmpfs = (destination: string) => ({
      destination,
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['mode=755'],
    });
    const bind = (destination: string, source = volume) => ({
      destination,
      type: 'bind',
      source,
      options: ['rbind', 'ro'],
    });
    spec.mounts.push(tmpfs('/data'), bind('/data/below'), bind('/near'), bind('/chain'), bind('/etc/up'));
    spec.mounts.push(bind('/etc/conf', join(volume, 'seen')));
    const { text, upper } = await outputOf(id, spec);
    const expected = [
      ' /var/real tmpfs ',
      'a',
      'below',
      'seen',
      'seen',
      'seen',
      'seen',
      'seen',
      '/var/real',
      '/var/real/below',
    ];
    assert.equal(text, `${expected.join('\n')}\n`);
    for (const made of ['var/real', 'there/it/is', 'var/end', 'climbed/x', 'var/conf/file.conf'])
      assert.ok(existsSync(join(upper, made)), `${made} is made in the root`);
    assert.equal(existsSync('/climbed'), false);
    await assertNothingNew(fake, clean, [id]);
  });
}

test('links in a circle: an error that names the mount, and nothing left', { timeout: 120_000 }, async () => {
  const spec = specOf('circle', 'true');
  spec.mounts.push({ destination: '/circle/x', type: 'tmpfs', source: 'tmpfs', options: [] });
  const shim = await fake.shim('circle', spec);
  await assert.rejects(shim.create(), runtime.isVm ? /\/circle\/x.*symbolic links/s : /./);
  await shim.remove();
  await assertNothingNew(fake, clean, ['circle']);
});

test('privileged containers get the devices of the guest, others do not', { timeout: 240_000 }, async () => {
  const wanted = ['loop-control', 'loop0', 'loop7', 'kmsg', 'fuse', 'net/tun'];
  const list = `for n in ${wanted.join(' ')}; do [ -e /dev/$n ] && echo $n; done; true`;
  assert.equal((await outputOf('plain', specOf('plain', list))).text, '');
  if (!runtime.isVm) return; // With runc these are in the spec, by containerd.

  const disk = join(fake.dir, 'image', 'disk.ext4');
  writeFileSync(disk, '');
  await mustRun('truncate', ['-s', '8M', disk]);
  await mustRun('mkfs.ext4', ['-q', '-F', disk]);
  const tree = join(fake.dir, 'tree');
  mkdirSync(tree);
  writeFileSync(join(tree, 'inside'), 'erofs\n');
  await mustRun('mkfs.erofs', [join(fake.dir, 'image', 'disk.erofs'), tree]);
  const script = `${list}; set -e
    losetup -f
    mkdir -p /mnt/a /mnt/b
    mount -t ext4 -o loop /disk.ext4 /mnt/a; echo data >/mnt/a/file
    mount -t erofs -o loop,ro /disk.erofs /mnt/b; cat /mnt/a/file /mnt/b/inside
    losetup -a | wc -l
    umount /mnt/a /mnt/b
    mknod /dev/loop9 b 7 9; losetup /dev/loop9 /disk.ext4; losetup /dev/loop9 | grep -o disk.ext4; losetup -d /dev/loop9
    echo written >/dev/kmsg; dmesg | grep -o written
    ls /dev | grep -E 'vport|hvc' || echo no port of the agent`;
  const spec = specOf('privileged', script);
  const all = [...defaultCapabilities, 'CAP_SYS_ADMIN', 'CAP_SYSLOG'];
  spec.process.capabilities = { bounding: all, effective: all, permitted: all, inheritable: [], ambient: [] };
  spec.linux.resources = { devices: [{ allow: true, access: 'rwm' }] };
  const { text } = await outputOf('privileged', spec);
  const expected = [
    ...wanted,
    '/dev/loop0',
    'data',
    'erofs',
    '2',
    'disk.ext4',
    'written',
    'no port of the agent',
  ];
  assert.equal(text, `${expected.join('\n')}\n`);
  await assertNothingNew(fake, clean, ['plain', 'privileged']);
});

test("the clock is the host's, from the first instruction on", { timeout: 120_000 }, async () => {
  const volume = join(fake.dir, 'clock');
  mkdirSync(volume);
  // The host's clock stamps the files, one before the guest's is read and one after.
  const spec = specOf('clock', ': >/v/before; adjtimex >/v/time; : >/v/after');
  spec.mounts.push({ destination: '/v', type: 'bind', source: volume, options: ['rbind'] });
  assert.equal((await outputOf('clock', spec)).text, '');
  const text = readFileSync(join(volume, 'time'), 'utf8');
  const number = (name: string) => Number(new RegExp(`${name}:\\s*(\\d+)`).exec(text)?.[1]);
  const guestMs = number('time.tv_sec') * 1_000 + number('time.tv_usec') / 1_000;
  const [first, last] = ['before', 'after'].map((name) => statSync(join(volume, name)).birthtimeMs);
  assert.ok(guestMs > first! - 50 && guestMs < last! + 50, `${first} ... ${guestMs} ... ${last}`);
  await assertNothingNew(fake, clean, ['clock']);
});

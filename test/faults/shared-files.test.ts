// Bad luck and bad input on files that a container shares with the host: full, vanished or unmounted sources, the daemon
// killed below a writing program, devices and whiteouts in images, links across kinds of volumes.
import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { mustRun } from '../../scripts/stand/command.ts';
import { programsOf } from '../../scripts/stand/processes.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { within } from '../../scripts/stand/wait.ts';
import type { Shim } from '../support/fake-containerd.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec, type Process, processSpec, type Spec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const { fake, clean } = await useFakeContainerd();

const limit = { timeout: 120_000 };

/** A spec with a new folder bound at each of the paths. */
function specWith(id: string, ...destinations: string[]): Spec {
  const spec = containerSpec(['sleep', '100000'], `/${fake.namespace}/${id}`);
  for (const destination of destinations) {
    const source = sourceOf(id, destination);
    mkdirSync(source, { recursive: true });
    spec.mounts.push({ destination, type: 'bind', source, options: ['rbind'] });
  }
  return spec;
}

function sourceOf(id: string, destination: string): string {
  return join(fake.dir, 'v', id, destination);
}

/** A running container, which a test that fails does not leave to the next one. */
async function start(id: string, spec: Spec, t: TestContext): Promise<Shim> {
  const shim = await fake.shim(id, spec);
  t.after(() => shim.remove().catch(() => undefined));
  await shim.run();
  return shim;
}

/** What a script prints in the container. */
async function sh(shim: Shim, script: string, changes: Partial<Process> = {}): Promise<string> {
  const { execId, io } = await shim.exec(processSpec(['sh', '-c', `{ ${script}\n} 2>&1`], changes));
  await within(script, 60_000, shim.task.wait({ id: shim.id, execId }));
  await io.ended();
  await shim.task.delete({ id: shim.id, execId });
  return io.output;
}

async function end(shim: Shim): Promise<void> {
  await within('removal', 60_000, shim.remove());
  await assertNothingNew(fake, clean, [shim.id]);
}

// What anybody may change is written through, a pod's own volume is written back: there it is fsync that must say it.
for (const [kind, below] of [
  ['a bind', 'plain'],
  ['a disk emptyDir', 'kubernetes.io~empty-dir/v'],
] as const) {
  test(`no space on the host for ${kind}: the program learns it, the rest lives`, limit, async (t) => {
    const id = `full-${below.slice(0, 4)}`;
    const disk = await smallDisk(id);
    const source = join(disk, below);
    mkdirSync(source, { recursive: true });
    const spec = specWith(id);
    spec.mounts.push({ destination: '/v', type: 'bind', source, options: ['rbind'] });
    const shim = await start(id, spec, t);
    const filled = await sh(shim, 'dd if=/dev/zero of=/v/file bs=64k count=400 conv=fsync; echo $?');
    assert.match(filled, /No space left on device/);
    assert.match(filled, /^1$/m);
    assert.match(
      await sh(shim, 'dd if=/dev/zero of=/v/other bs=64k count=1 conv=fsync 2>/dev/null; echo $?'),
      /^1$/m,
    );
    const after = 'rm /v/*; echo fits >/v/other; sync; cat /v/other; touch /elsewhere && echo lives';
    assert.equal(await sh(shim, after), 'fits\nlives\n');
    await shim.remove();
    await mustRun('umount', [disk]);
    await assertNothingNew(fake, clean, [id]);
  });
}

/** An ext4 of 16 MiB. */
async function smallDisk(id: string): Promise<string> {
  const [image, disk] = [join(fake.dir, `${id}.ext4`), join(fake.dir, 'd', id)];
  mkdirSync(disk, { recursive: true });
  await mustRun('truncate', ['-s', '16M', image]);
  await mustRun('mkfs.ext4', ['-q', '-F', image]);
  await mustRun('mount', ['-o', 'loop', image, disk]);
  return disk;
}

test('a source that is removed on the host while it is used', limit, async (t) => {
  const shim = await start('gone', specWith('gone', '/v'), t);
  await sh(shim, 'mkdir /v/sub; echo data >/v/sub/file; sleep 1000 </v/sub/file >/dev/null 2>&1 &');
  rmSync(sourceOf('gone', '/v'), { recursive: true });
  const answers = await sh(shim, 'sleep 1.2; cat /v/sub/file; ls /v; echo x >/v/new; echo $?; echo lives');
  assert.match(answers, /can't open '\/v\/sub\/file': (No such file|Stale)/);
  assert.match(answers, /^1\nlives$/m, answers);
  assert.equal(await sh(shim, 'touch /root/x && ls /root'), 'x\n');
  await end(shim);
});

test('a source that is unmounted on the host while it is used', limit, async (t) => {
  const spec = specWith('unmounted', '/v');
  const source = sourceOf('unmounted', '/v');
  await mustRun('mount', ['--bind', source, source]);
  await mustRun('mount', ['--make-shared', source]);
  mkdirSync(join(source, 'sub'));
  await mustRun('mount', ['-t', 'tmpfs', 'tmpfs', join(source, 'sub')]);
  writeFileSync(join(source, 'sub', 'file'), 'mounted\n');
  for (const mount of spec.mounts) if (mount.destination === '/v') mount.options = ['rbind', 'rslave'];
  const shim = await start('unmounted', spec, t);
  assert.equal(await sh(shim, 'cat /v/sub/file; exec 3</v/sub/file; sleep 0.1'), 'mounted\n');
  await mustRun('umount', ['-l', join(source, 'sub')]);
  const answers = await sh(shim, 'sleep 1.2; cat /v/sub/file; echo $?; touch /v/made && echo lives');
  assert.match(answers, /(No such file|Stale).*1\nlives\n$/s);
  assert.deepEqual(readdirSync(source).sort(), ['made', 'sub']);
  await shim.remove();
  await mustRun('umount', [source]);
  await assertNothingNew(fake, clean, ['unmounted']);
});

test('devices: none is made without the right, and those in an image obey the rules', limit, async (t) => {
  const image = join(fake.dir, 'image');
  mkdirSync(join(image, 'nodes'));
  // On the host 254:0 is whatever it is; in the guest it is the image of its own root.
  for (const [name, type, major, minor] of [
    ['zero', 'c', '1', '5'],
    ['kmsg', 'c', '1', '11'],
    ['disk', 'b', '254', '0'],
  ] as const)
    await mustRun('mknod', ['-m', '666', join(image, 'nodes', name), type, major, minor]);
  const shim = await start('nodes', specWith('nodes', '/v'), t);
  const noCapabilities = { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] };
  const user = { uid: 1000, gid: 1000 };
  const made = 'for d in / /v; do mknod $d/disk b 254 0; mknod $d/kmsg c 1 11; done';
  const refused = await sh(shim, made, { capabilities: noCapabilities, user });
  assert.equal(
    refused.match(/^mknod: .*: (Operation not permitted|Permission denied)$/gm)?.length,
    4,
    refused,
  );
  // Who may make nodes, as containers may by default, has no use of them.
  const answers = await sh(
    shim,
    `chmod 777 /v; head -c 3 /nodes/zero | wc -c; ${made}
    for n in /nodes/kmsg /nodes/disk /kmsg /disk /v/kmsg /v/disk; do head -c 1 $n; done`,
  );
  assert.match(answers, /^3\n/);
  assert.equal(answers.match(/^head: .*\/(kmsg|disk): Operation not permitted$/gm)?.length, 6, answers);
  await end(shim);
});

test('what is removed from an image, or made anew, is so in the next layer', limit, async (t) => {
  const shim = await start('white', specWith('white'), t);
  await sh(shim, 'rm /etc/group; rm -r /home; mkdir /home; touch /home/new');
  assert.equal(
    await sh(shim, 'ls /home /etc/group; ls -d /etc/pass*'),
    'ls: /etc/group: No such file or directory\n/home:\nnew\n/etc/passwd\n',
  );
  await end(shim);
  const upper = join(fake.dir, 'o', 'white', 'upper');
  assert.ok(lstatSync(join(upper, 'etc/group')).isCharacterDevice(), 'a whiteout');
  // As the lower layer of another container.
  const shown = join(fake.dir, 'shown');
  mkdirSync(shown);
  await mustRun('mount', [
    '-t',
    'overlay',
    '-o',
    `lowerdir=${upper}:${join(fake.dir, 'image')}`,
    'overlay',
    shown,
  ]);
  assert.deepEqual(readdirSync(join(shown, 'home')), ['new'], 'the folder is opaque');
  assert.equal(existsSync(join(shown, 'etc/group')), false);
  await mustRun('umount', [shown]);
});

test('hard links: within a volume, never out of it', limit, async (t) => {
  const shim = await start('across', specWith('across', '/a', '/b'), t);
  const script = `mkdir -p /a/one /a/two; echo x >/a/one/f; ln /a/one/f /a/two/g && stat -c %h /a/two/g
    for to in /b/f /f /dev/shm/f; do ln /a/one/f $to; done; ls /b /f /dev/shm/f; mv /a/one/f /b/moved; cat /b/moved /a/two/g`;
  const answers = await sh(shim, script);
  assert.match(answers, /^2\n/);
  assert.equal(answers.match(/(Invalid c|C)ross-device link/g)?.length, 3, answers);
  assert.match(answers, /x\nx\n$/, 'a move across volumes is a copy');
  assert.equal(readFileSync(join(sourceOf('across', '/b'), 'moved'), 'utf8'), 'x\n');
  await end(shim);
});

test('the daemon is killed while a program writes: everything ends, with the reason', {
  skip: !runtime.isVm && 'it is about the VM',
  ...limit,
}, async (t) => {
  const spec = specWith('killed', '/v');
  spec.process.args = [
    'sh',
    '-c',
    'while :; do dd if=/dev/zero of=/v/file bs=64k count=16 2>/dev/null; done',
  ];
  const shim = await start('killed', spec, t);
  const { execId, io } = await shim.exec(processSpec(['sh', '-c', 'while :; do echo x >>/v/log; done']));
  await sh(shim, 'until [ -s /v/log ]; do sleep 0.1; done');
  const [daemon] = programsOf(fake.processes(), /^\S*(virtiofsd|bulkhead-files)/, shim.id);
  assert.ok(daemon, 'there is a daemon');
  process.kill(daemon.pid, 'SIGKILL');
  const exits = [execId, ''].map((one) => shim.task.wait({ id: shim.id, execId: one }));
  const statuses = (await within('exits', 60_000, Promise.all(exits))).map((exit) => exit.exitStatus);
  assert.deepEqual(statuses, [137, 137]);
  await io.ended();
  assert.match(shim.log(), /(virtiofsd|bulkhead-files)[^\n]*(SIGKILL|signal 9|killed)/i);
  await end(shim);
});

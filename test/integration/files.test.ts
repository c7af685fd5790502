// What software does to files, on a container's root and on a folder of the host: owners, ACLs, attributes, overlays, many
// files; and how soon what others change is seen.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { chmod, chown, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { mustRun } from '../../scripts/stand/command.ts';
import { repoRoot } from '../../scripts/stand/paths.ts';
import { programsOf } from '../../scripts/stand/processes.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { CtrContainer } from '../support/ctr.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { useContainerd } from '../support/stands.ts';

/** `/data` is a folder of the host, `/root` lies in the container's own file system. */
const places = ['/data', '/root'];

const { daemon, clean } = await useContainerd();
const host = join(daemon.dir, 'host');
const emptyDir = join(daemon.dir, 'kubernetes.io~empty-dir/empty');
const folders = { '/data': host, '/empty': emptyDir };
for (const folder of Object.values(folders)) {
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o755);
}
const mounts = Object.entries(folders).flatMap(([to, from]) => [
  '--mount',
  `type=bind,src=${from},dst=${to},options=rbind:rw`,
]);
const program = join(host, 'files');
await mustRun('cc', ['-static', '-O1', '-o', program, join(repoRoot, 'test/support/files.c')]);
const box = await CtrContainer.start(
  daemon,
  'files',
  ['sleep', '100000'],
  ['--null-io', '--privileged', '--memory-limit', String(128 << 20), ...mounts],
);
await box.sh('chmod 755 /root; cp /data/files /bin/files');

test('a group that a process is in besides its own may make files, and so may a capability', async () => {
  for (const dir of ['group', 'closed']) await mkdir(join(host, dir));
  await chown(join(host, 'group'), 0, 2000);
  await chmod(join(host, 'group'), 0o2770);
  await chmod(join(host, 'closed'), 0o700);
  await box.sh(
    'mkdir -m 700 /root/closed; mkdir /root/group; chown 0:2000 /root/group; chmod 2770 /root/group',
  );
  for (const place of places) {
    await box.sh(`sleep 1.1; files as 1000 1000 2000 none ${place}/group/made`);
    await assert.rejects(box.sh(`files as 1000 1000 3000 none ${place}/group/no`), /Permission denied/);
    await assert.rejects(box.sh(`files as 1000 1000 2000 none ${place}/closed/no`), /Permission denied/);
    await box.sh(`files as 1000 1000 3000 dac ${place}/closed/made`);
    const owners = `cd ${place}; stat -c '%n %u:%g %a' group/made closed/made`;
    assert.equal(await box.sh(owners), 'group/made 1000:2000 664\nclosed/made 1000:1000 664\n', place);
  }
  const made = await Promise.all(['group/made', 'closed/made'].map((name) => stat(join(host, name))));
  assert.deepEqual(
    made.map(({ uid, gid }) => `${uid}:${gid}`),
    ['1000:2000', '1000:1000'],
  );
});

test('ACLs admit whom they name, are handed down, and follow the mode', async () => {
  for (const place of places) {
    const script = `cd ${place}; mkdir acl; echo text > acl/file; chown 5:5 acl/file; chmod 600 acl/file; su -s /bin/sh app -c 'cat acl/file' && exit 1
      files acl-set acl/file 1000 4 && su -s /bin/sh app -c 'cat acl/file' && files acl-get acl/file
      chmod 600 acl/file; su -s /bin/sh app -c 'cat acl/file' && exit 1
      files acl-default acl 1000 6 && umask 077 && echo new > acl/new && files acl-get acl/new && su -s /bin/sh app -c 'echo more >> acl/new' && cat acl/new`;
    const { code, stdout, stderr } = await box.exec(['sh', '-c', `${script}; sleep 0.3`]);
    const entries = ['1:-1:6 2:1000:4 4:-1:4 16:-1:7 32:-1:0 ', '1:-1:6 2:1000:6 4:-1:4 16:-1:6 32:-1:0 '];
    assert.equal(stdout, `text\n${entries[0]}\n${entries[1]}\nnew\nmore\n`, `${place}: ${code} ${stderr}`);
  }
  // On the host they are ACLs as well.
  const there = execFileSync('python3', [
    '-c',
    `import os; print(os.getxattr(${JSON.stringify(join(host, 'acl/new'))}, 'system.posix_acl_access').hex())`,
  ]);
  assert.match(there.toString(), /^02000000/);
});

test('attributes of each class; what means something to the host is kept under another name', async () => {
  for (const place of places) {
    await box.sh(`cd ${place}; : > attributes`);
    for (const name of ['user.a', 'trusted.a', 'security.a']) {
      const script = `cd ${place}; files xattr-set attributes ${name} v && files xattr-get attributes ${name}; sleep 0.3`;
      assert.equal(await box.sh(script), 'v\n', name);
    }
  }
  const names = execFileSync('python3', [
    '-c',
    `import os; print(sorted(os.listxattr(${JSON.stringify(join(host, 'attributes'))})))`,
  ]);
  assert.equal(names.toString(), "['user.a', 'user.virtiofs.security.a', 'user.virtiofs.trusted.a']\n");
});

for (const [place, what] of [
  ['/data', 'a volume'],
  ['/empty', 'a disk emptyDir'],
] as const) {
  test(`an overlay with its upper layer on ${what}`, async () => {
    const script = `cd ${place}; mkdir -p o/lower/dir o/upper o/work o/all; echo low > o/lower/low; echo in > o/lower/dir/in; echo x > o/lower/moved
    files overlay o/lower o/upper o/work o/all && cd o/all && echo more >> low && rm -r dir && mkdir dir && mv moved gone && ls dir && cat low gone
    ls -l ../upper | grep -c '^c'; files xattr-get ../upper/dir trusted.overlay.opaque; cd /; umount ${place}/o/all; cat ${place}/o/lower/low; sleep 0.3`;
    assert.equal(await box.sh(script), 'low\nmore\nx\n1\ny\nlow\n');
  });
}

test('an emptyDir on the host has what the overlay left in it', async () => {
  const upper = join(emptyDir, 'o/upper');
  assert.equal(await readFile(join(upper, 'low'), 'utf8'), 'low\nmore\n');
  assert.ok((await stat(join(upper, 'moved'))).isCharacterDevice(), 'a whiteout');
});

test('what others change is seen after a second in what is shared, and after some in what is the container’s own', {
  skip: !runtime.isVm && 'it is about the share',
}, async () => {
  const root = rootOnHost();
  const read = (path: string) => box.sh(`cat ${path}; ls ${path}.new 2>/dev/null; sleep 0.3`);
  for (const [inside, outside, seconds] of [
    ['/data/change', join(host, 'change'), 1.2],
    ['/root/change', join(root, 'root/change'), 5.5],
  ] as const) {
    await writeFile(outside, 'one\n');
    await box.sh(`until [ -e ${inside} ]; do sleep 0.5; done`);
    assert.equal(await read(inside), 'one\n');
    await writeFile(outside, 'two\n');
    await writeFile(`${outside}.new`, '');
    assert.equal(
      await box.sh(`sleep ${seconds}; cat ${inside}; ls ${inside}.new; sleep 0.3`),
      `two\n${inside}.new\n`,
    );
  }
});

test('a tree of 25,000 files is made, read and removed, and the host holds only as many as it planned', {
  skip: !runtime.isVm && 'it is about what the host holds',
  timeout: 280_000,
}, async () => {
  const make = `mkdir many; d=0; while [ $d -lt 50 ]; do mkdir many/$d; i=0; while [ $i -lt 500 ]; do : > many/$d/$i; i=$((i+1)); done; d=$((d+1)); done`;
  await box.sh(`cd /data; ${make}`, { timeoutMs: 200_000 });
  // A VM of 256 MiB may hold 16,384 files; the rest are the daemon's own descriptors.
  const most = 16_384 + 128;
  assert.ok(held() < most, `${held()} of ${most}`);
  assert.equal(
    await box.sh('find /data/many -type f | wc -l; cat /data/many/*/7 | wc -c; sleep 0.3', {
      timeoutMs: 60_000,
    }),
    '25000\n0\n',
  );
  assert.ok(held() < most, `${held()} of ${most}`);
  await box.sh('rm -r /data/many', { timeoutMs: 100_000 });
  assert.equal(await box.sh('echo still here; sleep 0.3'), 'still here\n');
  assert.deepEqual(
    readdirSync(host).filter((name) => name === 'many'),
    [],
  );
});

test('a guest that holds more files than it may gets ENFILE, and goes on when it lets go', {
  skip: !runtime.isVm && 'it is about what the host holds',
  timeout: 120_000,
}, async () => {
  const script = 'mkdir /data/held; files hold /data/held 20000';
  assert.equal(await box.sh(script, { timeoutMs: 100_000 }), 'ENFILE\n');
  await waitFor('what was held', () => held() < 12_000);
  assert.equal(
    await box.sh('rm -r /data/held; echo still here; sleep 0.3', { timeoutMs: 60_000 }),
    'still here\n',
  );
});

test('nothing stays', async () => {
  await box.remove();
  await assertNothingNew(daemon, clean, ['files']);
  assert.match(await readFile(join(host, 'change'), 'utf8'), /two/);
});

function filesPid(): number {
  const [found] = programsOf(daemon.processes(), /^\S*bulkhead-files/, 'files');
  assert.ok(found, 'the file system daemon');
  return found.pid;
}

/** How many descriptors it has. */
function held(): number {
  return readdirSync(`/proc/${filesPid()}/fd`).length;
}

/** The container's root as its daemon has it mounted. */
function rootOnHost(): string {
  return `/proc/${filesPid()}/root/files/rootfs`;
}

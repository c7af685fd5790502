// Undoing what a dead shim has left when parts of it do not go: real processes, cgroups and mounts.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { removeCgroups } from '../../scripts/stand/cgroups.ts';
import { openCgroup } from '../host/cgroup.ts';
import { isWithin, readMountinfo } from '../host/mountinfo.ts';

let dir: string;
let state: string;
let parent: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bulkhead-reap-'));
  state = join(dir, 'state');
  parent = `/bh-reap-${process.pid}`;
  for (const name of ['bin', 'build/lib/bulkhead', 'data']) mkdirSync(join(dir, name), { recursive: true });
});
afterEach(() => {
  for (const point of mounts().reverse()) spawnSync('umount', ['-l', point]);
  removeCgroups(parent);
  rmSync(dir, { recursive: true });
});

const mounts = () =>
  readMountinfo().flatMap(({ mountPoint }) => (isWithin(dir, mountPoint) ? [mountPoint] : []));
const hang = (path: string) =>
  writeFileSync(join(dir, path), '#!/bin/sh\nexec sleep 1000\n', { mode: 0o755 });

/** Lines of a module that runs in a pid namespace whose process 1 no signal from inside ends. */
function inNamespace(cwd: string, path: string, lines: string): string {
  const source = import.meta.dirname;
  const modules = `
    const fs = await import('node:fs');
    const { spawn } = await import('node:child_process');
    const { processRef, isAlive } = await import('${source}/../host/process.ts');
    const { createCgroup } = await import('${source}/../host/cgroup.ts');
    const { SandboxState, readRecord } = await import('${source}/state.ts');
    const { claimParents } = await import('${source}/cgroup-parents.ts');
    const { claimUser } = await import('${source}/vm-user.ts');
    const { reapSandbox } = await import('${source}/reap.ts');
    const { Share } = await import('${source}/volumes/share.ts');
    const outcome = (call) => call.then(() => 'done', (error) => error.message);
    const record = { version: 1, namespace: 'n', id: 's', createdAt: '', bundle: '', socket: '${dir}/socket', shim: processRef(process.pid), processes: [] };
    const left = async (name) => {
      const child = spawn('sleep', ['1000'], { stdio: 'ignore', detached: true });
      await new Promise((resolve) => child.once('spawn', resolve));
      return { name, ...processRef(child.pid) };
    };`;
  // The shell is process 1 and must not become the program.
  const words = ['--pid', '--fork', '--mount-proc', 'sh', '-c', '"$@"; exit $?', 'sh'];
  const result = spawnSync(
    'unshare',
    [...words, process.execPath, '--input-type=module', '-e', modules + lines],
    {
      cwd,
      env: { ...process.env, BULKHEAD_STATE: state, PATH: path },
      encoding: 'utf8',
      timeout: 60_000,
    },
  );
  assert.equal(result.status, 0, result.stderr);
  return result.stdout;
}

/** A sandbox with something of everything, whose shim is dead. */
const abandoned = () => `
    const group = '${parent}/pod/vm';
    claimParents(group);
    const qemu = await left('qemu');
    const state = SandboxState.create({ ...record, shim: { pid: 99999, startTime: '1' }, cgroup: group, shimCgroup: group + '-shim' });
    state.update({ uid: claimUser({ user: 'own', firstUid: 2000000000, uidCount: 9 }, 'n/s', () => undefined) });
    const cgroup = await createCgroup(group);
    const shimCgroup = await createCgroup(group + '-shim');
    fs.writeFileSync('${dir}/socket', '');
    state.update({ processes: [qemu] });
    const join = (to, pid) => to.procsFiles.forEach((file) => fs.writeFileSync(file, String(pid)));`;

test('each part is undone although all others fail; the record tells what stands, and a later try finds it', () => {
  // The mounts are made by the real helper before; the one that hangs is then beside.
  hang('bin/nsenter');
  hang('build/lib/bulkhead/bulkhead-mount');
  const reap = `${abandoned()}
    // Process 1 does not end: it is the shim's and one of the VM's, and in a control group.
    const init = processRef(1);
    join(cgroup, 1);
    const helper = await left();
    join(shimCgroup, helper.pid);
    const net = spawn('unshare', ['--net', 'sh', '-c', 'echo; exec sleep 1000'], { stdio: ['ignore', 'pipe', 'ignore'] });
    await new Promise((resolve) => net.stdout.once('data', resolve));
    const path = '/proc/' + net.pid + '/ns/net';
    const { dev, ino } = fs.statSync(path);
    state.update({ shim: init, processes: [{ name: 'files', ...init }, qemu], network: { path, identity: dev + ':' + ino, taps: [{ interface: 'eth0', tap: 'bhtap0' }] } });
    const error = await outcome(reapSandbox('n', 's'));
    console.log(JSON.stringify({ error, alive: [isAlive(qemu), isAlive(helper)] }));
    for (const file of cgroup.procsFiles) fs.writeFileSync(file.replace(group, ''), '1');
    process.exit(0);`;
  const path = `${dir}/bin:${process.env.PATH}`;
  const result = JSON.parse(inNamespace(dir, path, reap)) as { error: string; alive: boolean[] };
  for (const part of [
    /process 1 \(shim\) does not end after SIGKILL/,
    /process 1 \(files\) does not end after SIGKILL/,
    new RegExp(`processes 1 in the control group ${parent}/pod/vm do not end`),
    /cannot take the network apart/,
    /bulkhead-mount took longer/,
    /"bulkhead gc" removes the rest/,
  ])
    assert.match(result.error, part);
  assert.deepEqual(result.alive, [false, false], 'what can be ended is ended');
  assert.ok(!existsSync(join(dir, 'socket')));
  const record = JSON.parse(readFileSync(join(state, 'n/s/state.json'), 'utf8'));
  assert.equal(
    readlinkSync(join(state, '.users', String(record.uid))),
    'n/s',
    'something may still run as this user',
  );
  assert.ok(!openCgroup(record.shimCgroup).folders.some((folder) => existsSync(folder)));

  assert.equal(
    inNamespace(process.cwd(), process.env.PATH!, "console.log(await outcome(reapSandbox('n', 's')));"),
    'done\n',
  );
  assert.ok(!existsSync(state) || !existsSync(join(state, 'n')));
  assert.ok(!openCgroup(parent).folders.some((folder) => existsSync(folder)));
});

test('what is mounted goes although a process stands; the record stays', () => {
  const reap = `${abandoned()}
    const share = await Share.create(state.dir, 's');
    await share.addContainer('s', [{ type: 'bind', source: '${dir}/data', target: '', options: ['rbind'] }]);
    const count = () => fs.readFileSync('/proc/self/mountinfo', 'utf8').split('${dir}').length - 1;
    const before = count();
    state.update({ processes: [{ name: 'files', ...processRef(1) }] });
    console.log(JSON.stringify([before, await outcome(reapSandbox('n', 's')), count(), readRecord(state.dir) !== undefined]));
    state.update({ processes: [] });
    await reapSandbox('n', 's');
    process.kill(qemu.pid, 'SIGKILL');
    process.exit(0);`;
  const [before, error, after, kept] = JSON.parse(inNamespace(process.cwd(), process.env.PATH!, reap));
  assert.ok(before > 0);
  assert.match(error, /process 1 \(files\) does not end/);
  assert.deepEqual([after, kept], [0, true]);
});

test('a new life that begins while the old one is being undone is left alone', () => {
  const reap = `${abandoned()}
    // The first is held up by a process that does not end; meanwhile somebody else has undone it, and the id begins anew.
    state.update({ shim: processRef(1) });
    const late = outcome(reapSandbox('n', 's'));
    fs.rmSync(state.dir + '/state.json');
    fs.rmdirSync(state.dir);
    const next = SandboxState.create({ ...record, createdAt: 'later', cgroup: group, shimCgroup: group + '-shim' });
    join(cgroup, qemu.pid);
    console.log(JSON.stringify([await late, isAlive(qemu), readRecord(next.dir)?.createdAt]));
    next.update({ shim: { pid: 99999, startTime: '1' }, processes: [qemu], uid: state.record.uid });
    await reapSandbox('n', 's');
    process.exit(0);`;
  const result = JSON.parse(inNamespace(process.cwd(), process.env.PATH!, reap));
  assert.deepEqual(result, ['done', true, 'later']);
  assert.deepEqual(mounts(), []);
});

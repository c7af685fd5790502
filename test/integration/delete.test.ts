// `delete` at the wrong moment, and with everything against it. containerd runs it when a connection to a shim has ended.
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cgroupsOf } from '../../scripts/stand/cgroups.ts';
import { describe, run } from '../../scripts/stand/command.ts';
import { repoRoot } from '../../scripts/stand/paths.ts';
import { isRunning } from '../../scripts/stand/processes.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { DeleteResponse } from '../../src/gen/task.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const limit = { timeout: 120_000, skip: !runtime.isVm && 'it is about our shim' };

const { fake, clean } = await useFakeContainerd();

const spec = (id: string) =>
  containerSpec(['sh', '-c', 'echo up; exec sleep 1000'], `/${fake.namespace}/${id}`);

test(
  'a late delete for an earlier sandbox leaves the next one alone, in each of its states',
  limit,
  async () => {
    const id = 'again';
    const former = await fake.shim(id, spec(id));
    await former.run();
    await former.remove();

    // The same path, so the late delete runs in the new bundle.
    const next = await fake.shim(id, spec(id));
    assert.equal(next.bundle, former.bundle);
    const refused = async (state: string): Promise<void> => {
      const late = await former.deleteBinary();
      assert.equal(late.code, 1, `${state}: containerd must not take the bundle away: ${describe(late)}`);
      assert.match(late.stderr, /this delete is for an earlier sandbox of the same id/);
      assert.equal(late.stdoutBytes.length, 0);
    };
    await refused('started');
    const io = await next.create();
    await refused('created');
    await next.task.start({ id });
    await io.expect(/up/);
    await refused('running');
    const { status } = await next.task.state({ id });
    assert.equal(status, 2, 'running');
    await next.remove();
    await assertNothingNew(fake, clean, [id]);
  },
);

test('a shim that hangs is ended although somebody is connected to it', limit, async () => {
  const id = 'hangs';
  const shim = await fake.shim(id, spec(id));
  await shim.run();
  const pid = await shim.pid();
  process.kill(pid, 'SIGSTOP');
  const deleted = await shim.deleteBinary();
  assert.equal(deleted.code, 0, describe(deleted));
  assert.equal(isRunning(pid), false);
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
});

test('a shim that is well, but has lost its containerd, is ended', limit, async () => {
  const id = 'lonely';
  const shim = await fake.shim(id, spec(id));
  await shim.run();
  const pid = await shim.pid();
  shim.release();
  const deletes = await Promise.all([shim.deleteBinary(), shim.deleteBinary()]);
  for (const deleted of deletes) assert.equal(deleted.code, 0, describe(deleted));
  assert.equal(isRunning(pid), false);
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
});

test("with every part failing, delete still ends within containerd's limit and says all", limit, async () => {
  const id = 'stuck';
  const shim = await fake.shim(id, spec(id));
  await shim.run();
  const pid = await shim.pid();
  const groups = cgroupsOf(fake.bulkheadState, fake.namespace, id);

  // An installation whose helper for mounts hangs, a network that must not be touched, a pid namespace whose process 1, which no signal
  // from inside ends, is the shim and all of the VM.
  const tree = join(fake.dir, 'tree');
  for (const dir of ['bin', 'lib/bulkhead']) mkdirSync(join(tree, dir), { recursive: true });
  for (const name of ['bin/containerd-shim-bulkhead-v2', 'lib/bulkhead/shim.cjs'])
    copyFileSync(join(repoRoot, 'build', name), join(tree, name));
  symlinkSync(join(repoRoot, 'build/lib/bulkhead/node'), join(tree, 'lib/bulkhead/node'));
  const helper = join(tree, 'lib/bulkhead/bulkhead-mount');
  writeFileSync(helper, '#!/bin/sh\nexec sleep 1000\n', { mode: 0o755 });
  const stateFile = join(fake.bulkheadState, fake.namespace, id, 'state.json');
  const kept = readFileSync(stateFile, 'utf8');
  const stuck = `
    const fs = require('node:fs');
    const [, file, group, ...command] = process.argv;
    const startTime = fs.readFileSync('/proc/1/stat', 'utf8').split(') ')[1].split(' ')[19];
    const init = { pid: 1, startTime };
    const path = '/proc/1/ns/net';
    const { dev, ino } = fs.statSync(path);
    const network = { path, identity: dev + ':' + ino, taps: [{ interface: 'eth0', tap: 'bhtap0' }] };
    for (const procs of fs.globSync('/sys/fs/cgroup{,/*}' + group + '/cgroup.procs')) fs.writeFileSync(procs, '1');
    fs.writeFileSync(file, JSON.stringify({ ...JSON.parse(fs.readFileSync(file)), shim: init, processes: [{ name: 'qemu', ...init }], network }));
    process.exit(require('node:child_process').spawnSync(command[0], command.slice(1), { stdio: 'inherit' }).status);`;
  const script = '"$@"; exit $?';
  const argv = [
    '-namespace',
    fake.namespace,
    '-address',
    fake.address,
    '-id',
    id,
    '-bundle',
    shim.bundle,
    'delete',
  ];
  process.kill(pid, 'SIGSTOP');
  const result = await run(
    'unshare',
    [
      ...['--pid', '--net', '--fork', '--mount-proc', 'sh', '-c', script, 'sh'],
      ...[process.execPath, '-e', stuck, '--', stateFile, groups.vm],
      ...[join(tree, 'bin/containerd-shim-bulkhead-v2'), ...argv],
    ],
    {
      cwd: shim.bundle,
      // containerd's 5 seconds, and the half of one that the stage takes to be set up.
      timeoutMs: 5_500,
      env: {
        ...process.env,
        BULKHEAD_STATE: fake.bulkheadState,
      },
    },
  );
  assert.equal(result.code, 1, describe(result));
  for (const part of [
    /process 1 \(shim\) does not end after SIGKILL/,
    /process 1 \(qemu\) does not end after SIGKILL/,
    /processes 1 in the control group/,
    /the host's own network namespace, which a VM cannot have/,
    /cannot remove .*bulkhead-shim-/,
    /bulkhead-mount took longer/,
    /"bulkhead gc" removes the rest/,
  ])
    assert.match(result.stderr, part);
  assert.ok(existsSync(stateFile), 'the next try knows what there is');

  writeFileSync(stateFile, kept);
  const deleted = await shim.deleteBinary();
  assert.equal(deleted.code, 0, describe(deleted));
  assert.equal(DeleteResponse.decode(deleted.stdoutBytes).exitStatus, 137);
  assert.equal(isRunning(pid), false);
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
});

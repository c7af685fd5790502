// Output that goes nowhere: a client that stops reading, a disk that is full. The container can be looked at, killed and deleted.
import assert from 'node:assert/strict';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mustRun } from '../../scripts/stand/command.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';
import { Status } from '../../src/gen/task.ts';
import type { Shim } from '../support/fake-containerd.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const options = { skip: !runtime.isVm && 'it is about our shim', timeout: 150_000 };
const SOON = { timeoutMs: 5_000 };
const FLOOD = 'echo up; exec dd if=/dev/zero bs=65536';

const { fake, clean } = await useFakeContainerd();

const specOf = (id: string, script: string) =>
  containerSpec(['sh', '-c', script], `/${fake.namespace}/${id}`);

async function endsInTime(shim: Shim): Promise<void> {
  const { id } = shim;
  assert.equal((await shim.task.state({ id }, { timeoutMs: 2_000 })).status, Status.RUNNING);
  const { execId, io } = await shim.exec(containerSpec(['echo', 'lives'], '').process);
  await io.expect(/lives/);
  await within('end of the exec', 20_000, shim.task.wait({ id, execId }));
  await shim.task.kill({ id, signal: 9 }, SOON);
  assert.equal((await within('exit', 40_000, shim.task.wait({ id }))).exitStatus, 137);
  await shim.task.delete({ id }, { timeoutMs: 20_000 });
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
}

test('a client stops reading what the init writes without end', options, async () => {
  const shim = await fake.shim('unread', specOf('unread', `${FLOOD} count=100000`));
  const io = await shim.run();
  await io.expect(/up/);
  io.stall();
  await endsInTime(shim);
});

test('a client stops reading what two execs write without end', options, async () => {
  const id = 'unread-execs';
  const shim = await fake.shim(id, specOf(id, 'exec sleep 1000'));
  await shim.run();
  for (let i = 0; i < 2; i++) {
    const { io } = await shim.exec(containerSpec(['sh', '-c', FLOOD], '').process);
    await io.expect(/up/);
    io.stall();
  }
  await endsInTime(shim);
});

test('the disk of a log file is full: the container goes on, the log says what broke', options, async () => {
  const id = 'full-log';
  const dir = join(fake.dir, 'full');
  mkdirSync(dir);
  await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', dir]);
  clean.add(`mount ${dir}`);
  try {
    const file = join(dir, 'out');
    const shim = await fake.shim(id, specOf(id, 'while :; do echo line; done'));
    const rootfs = await fake.rootfs(id);
    await shim.task.create(
      { id, bundle: shim.bundle, rootfs, stdout: `file://${file}` },
      { timeoutMs: 90_000 },
    );
    await shim.task.start({ id }, { timeoutMs: 30_000 });
    await waitFor('words about it', () => /an output failed.*ENOSPC/.test(shim.log()), 30_000);
    assert.ok(statSync(file).size > 0);
    await endsInTime(shim);
  } finally {
    await mustRun('umount', [dir]);
  }
});

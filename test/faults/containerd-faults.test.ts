// kill -9 of parts under a real containerd: ctr hears of it, containerd cleans up, nothing is left and a new run works.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describe } from '../../scripts/stand/command.ts';
import { runArgs } from '../../scripts/stand/containerd.ts';
import { programsOf } from '../../scripts/stand/processes.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { CtrContainer } from '../support/ctr.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { useContainerd } from '../support/stands.ts';

const { daemon, clean } = await useContainerd();

const victims = {
  shim: /containerd-shim|server\.cjs/,
  vmm: /^\S*qemu-system/,
  files: /^\S*bulkhead-files/,
} as const;

for (const [victim, pattern] of Object.entries(victims)) {
  const skip = victim !== 'shim' && !runtime.isVm && 'runc has no such process';
  test(`${victim} dies: a waiting ctr run ends with an error code, nothing is left`, {
    skip,
    timeout: 120_000,
  }, async () => {
    const id = `lost-${victim.length}`;
    const running = daemon.ctr([...runArgs('--null-io'), id, 'sleep', '1000'], { timeoutMs: 90_000 });
    const status = async (): Promise<boolean> =>
      new RegExp(`^${id}\\s+\\d+\\s+RUNNING`, 'm').test((await daemon.mustCtr(['task', 'ls'])).stdout);
    await waitFor('running task', status, 60_000, 100);
    const pids = programsOf(daemon.processes(), pattern, id);
    assert.ok(
      pids.length > 0,
      `no process of ${victim}:\n${daemon
        .processes()
        .map((one) => one.command)
        .join('\n')}`,
    );
    for (const { pid } of pids) process.kill(pid, 'SIGKILL');
    const result = await running;
    assert.ok(!result.timedOut && result.code !== 0, describe(result));
    await daemon.ctr(['task', 'delete', '--force', id]);
    await daemon.ctr(['container', 'delete', id]);
    if (runtime.isVm) await assertNothingNew(daemon, clean, [id], 15_000);
  });
}

test('containerd dies during task delete: the restart finishes it', { timeout: 120_000 }, async () => {
  const box = await CtrContainer.start(daemon, 'deleting', ['sleep', '1000']);
  await box.kill();
  await box.waitStatus('STOPPED');
  const deleting = daemon.ctr(['task', 'delete', 'deleting'], { timeoutMs: 30_000 });
  await new Promise((done) => setTimeout(done, 25));
  await daemon.kill('SIGKILL');
  await deleting;
  await daemon.launch();
  await daemon.ctr(['task', 'delete', '--force', 'deleting']);
  await daemon.ctr(['container', 'delete', 'deleting']);
  if (runtime.isVm) await assertNothingNew(daemon, clean, ['deleting'], 40_000);
});

test('containerd and the shim die together: the restart cleans up', { timeout: 120_000 }, async () => {
  await CtrContainer.start(daemon, 'both', ['sleep', '1000']);
  await daemon.kill('SIGKILL');
  for (const { pid, command } of daemon.processes())
    if (victims.shim.test(command)) process.kill(pid, 'SIGKILL');
  await daemon.launch();
  await daemon.ctr(['task', 'delete', '--force', 'both']);
  await daemon.mustCtr(['container', 'delete', 'both']);
  if (runtime.isVm) await assertNothingNew(daemon, clean, ['both'], 15_000);
});

test('afterwards a good container runs', { timeout: 60_000 }, async () => {
  const result = await daemon.mustCtr([...runArgs('--rm'), 'good', 'sh', '-c', 'sleep 0.3; echo good']);
  assert.equal(result.stdout, 'good\n');
});

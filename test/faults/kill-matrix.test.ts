// kill -9 of parts of a sandbox: calls end with an error, exits are told, nothing is left. A sample; `make test-faults` does all.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { programsOf } from '../../scripts/stand/processes.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';
import { Status } from '../../src/gen/task.ts';
import type { Shim } from '../support/fake-containerd.ts';
import { Matrix, type Victim } from '../support/kill-cell.ts';
import { steps } from '../support/kill-steps.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const options = { skip: !runtime.isVm && 'it is about our shim', timeout: 150_000 };

const { fake, clean } = await useFakeContainerd();

const programs = { vmm: /^\S*qemu-system/, files: /^\S*bulkhead-files/ } as const;

function find(victim: keyof typeof programs, shim: Shim): number[] {
  return programsOf(fake.processes(), programs[victim], shim.id).map(({ pid }) => pid);
}

/** What containerd does after a loss; then nothing may be there. */
async function finish(shim: Shim): Promise<void> {
  await within('teardown', 60_000, shim.remove());
  await assertNothingNew(fake, clean, [shim.id], 15_000);
}

/** Some cells of the matrix that `make test-faults` goes through: each victim, each kind of step. */
const sample: readonly (readonly [step: string, ...victims: Victim[]])[] = [
  ['share', 'helper'],
  ['jail-files', 'shim', 'helper'],
  ['jail-qemu', 'helper'],
  ['root', 'QEMU', 'files', 'helper'],
  ['hook', 'shim', 'helper'],
  ['guest-create', 'containerd'],
  ['created', 'QEMU', 'shim'],
  ['guest-start', 'QEMU', 'files'],
  ['running', 'shim', 'containerd', 'helper'],
  ['exit', 'shim', 'helper'],
  ['poststop', 'helper'],
  ['pod-remove', 'QEMU', 'helper'],
  ['pod-stop', 'shim'],
];

let matrix: Matrix | undefined;
after(() => matrix?.stop());

for (const [name, ...killed] of sample) {
  const step = steps.find(({ id }) => id === name)!;
  for (const victim of killed) {
    test(`${victim} dies: ${step.phase}: ${step.what}`, options, async () => {
      matrix ??= await Matrix.start();
      const { seen, problems } = await matrix.cell(step, victim);
      assert.deepEqual(problems, [], seen);
      assert.notEqual(seen, '-', 'it was there to be killed');
    });
  }
}

for (const victim of ['vmm', 'files'] as const) {
  test(
    `${victim} dies: init and exec end at once with a non-zero code, and it is told`,
    options,
    async () => {
      const id = `${victim}-running`;
      const spec = containerSpec(['sh', '-c', 'echo up; exec sleep 1000'], `/${fake.namespace}/${id}`);
      const shim = await fake.shim(id, spec);
      const io = await shim.run();
      await io.expect(/up/);
      const { execId } = await shim.exec({ ...containerSpec(['sleep', '500'], '').process });
      const waits = [shim.task.wait({ id }), shim.task.wait({ id, execId })];
      for (const pid of find(victim, shim)) process.kill(pid, 'SIGKILL');
      for (const exit of await within('Wait after the loss', 10_000, Promise.all(waits)))
        assert.notEqual(exit.exitStatus, 0);
      await stopped(shim);
      for (const topic of ['/tasks/exit', `/tasks/exit ${execId}`])
        assert.notEqual((await fake.events.expect(id, topic)).event.exitStatus, 0);
      await io.ended();
      await finish(shim);
    },
  );
}

test('a shim is killed before it has removed the folder of its namespace: delete does', options, async () => {
  const folder = join(fake.bulkheadState, fake.namespace);
  mkdirSync(folder, { recursive: true });
  const bundle = await fake.bundle('late', containerSpec(['true'], '/late'));
  const deleted = await fake.invoke('late', 'delete', ['-bundle', bundle], { cwd: bundle });
  assert.equal(deleted.code, 0, deleted.stderr);
  assert.ok(!existsSync(folder));
});

test('a guest whose kernel panics: the exit is told soon, with a non-zero code', {
  skip: !runtime.isVm && 'it would be the host kernel',
  timeout: 150_000,
}, async () => {
  const id = 'panic';
  const spec = containerSpec(
    ['sh', '-c', 'echo 2 > /proc/sys/vm/panic_on_oom && echo armed; exec tail /dev/zero'],
    `/${fake.namespace}/${id}`,
  );
  spec.linux.readonlyPaths = [];
  spec.linux.maskedPaths = [];
  spec.linux.resources = { memory: { limit: 32 << 20, swap: 32 << 20 } };
  const shim = await fake.shim(id, spec);
  const io = await shim.run();
  const exit = await within('exit after the panic', 30_000, shim.task.wait({ id }));
  assert.notEqual(exit.exitStatus, 0);
  assert.match(io.output, /armed/, `the panic could not be armed: ${io.errors}`);
  await stopped(shim);
  await waitFor('end of the VMM', () => find('vmm', shim).length === 0, 10_000);
  assert.match(shim.log(), /panic/i, 'the log says why');
  await finish(shim);
});

test('a guest that powers off: the exit is told', {
  skip: !runtime.isVm && 'it would be the host',
  timeout: 150_000,
}, async () => {
  const id = 'poweroff';
  const spec = containerSpec(['sh', '-c', 'reboot -f; sleep 1000'], `/${fake.namespace}/${id}`);
  const caps = ['CAP_SYS_BOOT', 'CAP_SYS_ADMIN'];
  spec.process.capabilities = {
    bounding: caps,
    effective: caps,
    permitted: caps,
    inheritable: [],
    ambient: [],
  };
  // In a pid namespace of its own, reboot only ends that namespace: either way the exit must come.
  const shim = await fake.shim(id, spec);
  await shim.run();
  const exit = await within('exit after the reboot', 30_000, shim.task.wait({ id }));
  assert.notEqual(exit.exitStatus, 0);
  await finish(shim);
});

/** The shim lives and says STOPPED, in time for containerd's own limit of 2 s. */
async function stopped(shim: Shim): Promise<void> {
  let last = '';
  const ask = async (): Promise<boolean> => {
    const state = await shim.task.state({ id: shim.id }, { timeoutMs: 2_000 });
    last = `status ${state.status}, exit ${state.exitStatus}`;
    return state.status === Status.STOPPED;
  };
  await waitFor('STOPPED', ask, 10_000, 50).catch((cause: unknown) => {
    throw new Error(`not STOPPED within 10 s but: ${last}\n${shim.log().slice(-1500)}`, { cause });
  });
}

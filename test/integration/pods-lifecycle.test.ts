// Pods through CRI: containers that come, go and come again in one VM; stopping, removing, and a VM that dies.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { CriError } from '../support/cri.ts';
import { assertNothingNew } from '../support/leaks.ts';
import type { Pod, PodContainer } from '../support/pod.ts';
import { usePodHost } from '../support/stands.ts';

const { host, clean } = await usePodHost();

/** Names of the sandbox's processes on the host. */
function processNames(): string[] {
  const before = new Set(clean);
  return host.daemon
    .processes()
    .filter((one) => !before.has(`process ${one.pid} ${one.command.slice(0, 160) || one.name}`))
    .map((one) => one.command);
}

test('a pod with one container: run, exec, stop, remove, nothing left', async () => {
  const pod = await host.pod();
  const status = await pod.status();
  assert.equal(status.state, 'SANDBOX_READY');
  assert.match(status.network?.ip ?? '', /^10\.88\./);
  const box = await pod.create();
  assert.equal((await box.status()).state, 'CONTAINER_CREATED');
  await box.start();
  assert.equal((await box.status()).state, 'CONTAINER_RUNNING');
  assert.deepEqual(await box.exec(['sh', '-c', 'echo out; echo err >&2; exit 3']), {
    code: 3,
    stdout: 'out\n',
    stderr: 'err\n',
  });
  await box.stop();
  const stopped = await box.status();
  assert.deepEqual([stopped.state, stopped.exitCode], ['CONTAINER_EXITED', 137]);
  await box.remove();
  await assert.rejects(box.status(), (error) => error instanceof CriError && error.code === 5);
  await pod.stop();
  assert.equal((await pod.status()).state, 'SANDBOX_NOTREADY');
  await pod.stop();
  await pod.remove();
  await assertNothingNew(host.daemon, clean, [pod.id, box.id]);
});

test('init containers in order, then several containers; one shim and one VMM', async () => {
  const pod = await host.pod();
  const volume = pod.volumePath('empty-dir', 'order');
  mkdirSync(volume, { recursive: true, mode: 0o777 });
  const mounts = [{ containerPath: '/order', hostPath: volume }];
  for (const name of ['first', 'second', 'third']) {
    const init = await pod.run({ command: ['sh', '-c', `echo ${name} >> /order/log`], mounts });
    const { exitCode, reason } = await init.exited();
    assert.deepEqual([exitCode, reason], [0, 'Completed']);
  }
  const apps = await Promise.all([1, 2, 3].map((n) => pod.run({ command: ['sleep', `10000${n}`], mounts })));
  assert.equal(await apps[0]!.sh('cat /order/log'), 'first\nsecond\nthird\n');
  if (runtime.isVm) {
    const names = processNames();
    assert.equal(names.filter((name) => /^\S*qemu-system/.test(name)).length, 1, names.join('\n'));
    assert.equal(names.filter((name) => name.includes('server.cjs')).length, 1, names.join('\n'));
    const kernels = await Promise.all(apps.map((app) => app.sh('cat /proc/sys/kernel/random/boot_id')));
    assert.equal(new Set(kernels).size, 1, 'all containers run in the same VM');
  }
  // StopPodSandbox with running containers: they are killed.
  await pod.stop();
  for (const app of apps) {
    const { state, exitCode } = await app.status();
    assert.deepEqual([state, exitCode], ['CONTAINER_EXITED', 137]);
  }
  await pod.remove();
  await assertNothingNew(host.daemon, clean, [pod.id, ...apps.map((app) => app.id)]);
});

test('restart of one container leaves the others alone; a sidecar outlives the main container', async () => {
  const pod = await host.pod();
  const sidecar = await pod.run({
    command: ['sh', '-c', 'i=0; while :; do i=$((i+1)); echo $i > /tmp/beat; sleep 0.1; done'],
  });
  let main: PodContainer | undefined;
  for (let attempt = 0; attempt < 3; attempt++) {
    await main?.remove();
    const options = {
      metadata: { name: 'main', attempt },
      command: ['sh', '-c', `echo attempt ${attempt}; exit ${attempt}`],
    };
    main = await pod.run({ ...options, logPath: `main/${attempt}.log` });
    assert.equal((await main.exited()).exitCode, attempt);
    assert.equal(main.output(), `attempt ${attempt}\n`);
  }
  const beat = Number(await sidecar.sh('cat /tmp/beat'));
  await waitFor('a further beat', async () => Number(await sidecar.sh('cat /tmp/beat')) > beat);
  assert.equal((await sidecar.status()).state, 'CONTAINER_RUNNING');
  await pod.remove();
  await assertNothingNew(host.daemon, clean, [pod.id, sidecar.id]);
});

test('containers created, run and removed at the same time', { timeout: 180_000 }, async () => {
  const pod = await host.pod();
  const life = async (n: number): Promise<number> => {
    const box = await pod.run({ command: ['sh', '-c', `echo $((${n} * 7)); exit ${n}`] });
    const { exitCode } = await box.exited(60_000);
    assert.equal(box.output(), `${n * 7}\n`);
    await box.remove();
    return exitCode;
  };
  const numbers = Array.from({ length: 8 }, (_, n) => n);
  assert.deepEqual(await Promise.all(numbers.map(life)), numbers);
  assert.equal((await pod.status()).state, 'SANDBOX_READY');
  await pod.remove();
  await assertNothingNew(host.daemon, clean, [pod.id]);
});

test('StopContainer: the grace period is kept, TERM first, KILL after it', async () => {
  const pod = await host.pod();
  const polite = await pod.run({
    command: ['sh', '-c', 'trap "echo bye; exit 42" TERM; echo ready; while :; do sleep 0.1; done'],
  });
  const stubborn = await pod.run({
    command: ['sh', '-c', 'trap "echo no" TERM; echo ready; while :; do sleep 0.1; done'],
  });
  await waitFor('traps', () => polite.output() === 'ready\n' && stubborn.output() === 'ready\n');
  await polite.stop(20);
  assert.deepEqual([(await polite.status()).exitCode, polite.output()], [42, 'ready\nbye\n']);
  const begin = performance.now();
  await stubborn.stop(2);
  const took = performance.now() - begin;
  assert.ok(took >= 1_900, `not before its grace period is over: ${took} ms`);
  assert.deepEqual([(await stubborn.status()).exitCode, stubborn.output()], [137, 'ready\nno\n']);
  await pod.remove();
  await assertNothingNew(host.daemon, clean, [pod.id]);
});

test('a command that does not exist fails the start, and the pod goes on', async () => {
  const pod = await host.pod();
  const broken = await pod.create({ command: ['/no/such/program'] });
  await assert.rejects(broken.start(), /no such file|not found/i);
  const { state, exitCode, reason } = await broken.status();
  assert.deepEqual([state, exitCode, reason], ['CONTAINER_EXITED', 128, 'StartError']);
  await broken.remove();
  const good = await pod.run();
  assert.equal(await good.sh('echo fine'), 'fine\n');
  await pod.remove();
  await assertNothingNew(host.daemon, clean, [pod.id, broken.id, good.id]);
});

test('the death of the pause process makes the pod NotReady; its containers run until they are stopped', async () => {
  const pod = await host.pod();
  const box = await pod.run();
  await host.daemon.mustCtr(['tasks', 'kill', '--signal', 'SIGKILL', '--all', pod.id]);
  await waitFor('NotReady', async () => (await pod.status()).state === 'SANDBOX_NOTREADY', 20_000, 50);
  assert.equal((await box.status()).state, 'CONTAINER_RUNNING');
  assert.equal(await box.sh('echo on'), 'on\n');
  await box.stop();
  assert.equal((await box.status()).state, 'CONTAINER_EXITED');
  await pod.remove();
  await assertNothingNew(host.daemon, clean, [pod.id, box.id]);
});

test('what a shim leaves that dies after its pause process goes with the last container', {
  skip: !runtime.isVm && 'it is about the VM',
}, async () => {
  const pod = await host.pod();
  const box = await pod.run();
  await host.daemon.mustCtr(['tasks', 'kill', '--signal', 'SIGKILL', '--all', pod.id]);
  await waitFor('NotReady', async () => (await pod.status()).state === 'SANDBOX_NOTREADY', 20_000, 50);
  process.kill(shimPid(pod), 'SIGKILL');
  assert.notEqual((await box.exited(10_000)).exitCode, 0);
  await pod.remove();
  await assertNothingNew(host.daemon, clean, [pod.id, box.id]);
});

test('the death of the VM ends every container and the pod at once', {
  skip: !runtime.isVm && 'it is about the VM',
}, async () => {
  const pod = await host.pod();
  const boxes = [await pod.run(), await pod.run({ command: ['sleep', '99999'] })];
  const created = await pod.create();
  process.kill(vmmPid(pod), 'SIGKILL');
  await waitFor('NotReady', async () => (await pod.status()).state === 'SANDBOX_NOTREADY', 10_000, 50);
  for (const box of boxes) {
    const { exitCode } = await box.exited(10_000);
    assert.notEqual(exitCode, 0);
  }
  await assert.rejects(created.start());
  await assert.rejects(boxes[0]!.exec(['true']));
  await pod.remove();
  await assertNothingNew(host.daemon, clean, [pod.id, created.id, ...boxes.map((box) => box.id)]);
});

test('the death of the shim does the same', { skip: !runtime.isVm && 'it is about the VM' }, async () => {
  const pod = await host.pod();
  const box = await pod.run();
  process.kill(shimPid(pod), 'SIGKILL');
  await waitFor('NotReady', async () => (await pod.status()).state === 'SANDBOX_NOTREADY', 10_000, 50);
  assert.notEqual((await box.exited(10_000)).exitCode, 0);
  await pod.remove();
  await assertNothingNew(host.daemon, clean, [pod.id, box.id]);
});

test('containerd restarts in the middle of a pod: it finds pod and containers again', async () => {
  const pod = await host.pod();
  const box = await pod.run({
    command: ['sh', '-c', 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.2; done'],
  });
  const ending = await pod.run({
    command: ['sh', '-c', 'while [ ! -e /tmp/end ]; do sleep 0.1; done; exit 9'],
  });
  await host.daemon.kill();
  await host.daemon.launch();
  await waitFor(
    'CRI',
    () =>
      host.waitReady().then(
        () => true,
        () => false,
      ),
    30_000,
  );
  assert.equal((await pod.status()).state, 'SANDBOX_READY');
  assert.equal((await box.status()).state, 'CONTAINER_RUNNING');
  assert.equal(await box.sh('echo again'), 'again\n');
  const lines = box.output().length;
  await waitFor('further output', () => box.output().length > lines);
  await ending.sh('touch /tmp/end');
  assert.equal((await ending.exited()).exitCode, 9);
  const late = await pod.run();
  assert.equal(await late.sh('echo late'), 'late\n');
  await pod.remove();
  await assertNothingNew(host.daemon, clean, [pod.id, box.id, ending.id, late.id]);
});

test('a VM that says nothing any more holds up nobody: statistics of others, stopping and removing', {
  skip: !runtime.isVm && 'it is about the VM',
  timeout: 120_000,
}, async () => {
  const [silent, other] = [await host.pod(), await host.pod()];
  const [box, neighbour] = [await silent.run(), await other.run()];
  process.kill(vmmPid(silent), 'SIGSTOP');
  const { stats } = await host.cri.call('ListContainerStats', {}, 30_000);
  assert.ok(stats.find(({ attributes }) => attributes.id === neighbour.id)?.memory?.workingSetBytes.value);
  await box.stop(1);
  assert.equal((await box.status()).exitCode, 137);
  await silent.remove();
  assert.equal(await neighbour.sh('echo alive'), 'alive\n');
  await other.remove();
  await assertNothingNew(host.daemon, clean, [silent.id, other.id, box.id, neighbour.id]);
});

test('a container of a sandbox that is gone is refused with the reasons', {
  skip: !runtime.isVm && 'it is about the VM',
}, async () => {
  const pod = await host.pod();
  await pod.stop();
  await assert.rejects(pod.run(), /sandbox/i);
  await pod.remove();
});

interface State {
  readonly shim: { readonly pid: number };
  readonly processes: readonly { readonly name: string; readonly pid: number }[];
}

function stateOf(pod: Pod): State {
  const file = join(host.daemon.bulkheadState, host.daemon.namespace, pod.id, 'state.json');
  assert.ok(existsSync(dirname(file)), `no ${file}`);
  return JSON.parse(readFileSync(file, 'utf8')) as State;
}

function vmmPid(pod: Pod): number {
  return stateOf(pod).processes.find(({ name }) => name.includes('qemu'))!.pid;
}

function shimPid(pod: Pod): number {
  return stateOf(pod).shim.pid;
}

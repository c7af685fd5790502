// What the shim starts on the host and what becomes of it when the shim is killed: helpers end with the sandbox; what a
// hook has left on purpose, and loggers that still have something to write, live on.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cgroupsOf, hasCgroupFile, readCgroup } from '../../scripts/stand/cgroups.ts';
import { isRunning } from '../../scripts/stand/processes.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import type { Shim } from '../support/fake-containerd.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec, type Spec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const limit = { timeout: 120_000, skip: !runtime.isVm && 'it is about our shim' };

const { fake, clean } = await useFakeContainerd();

/** A shell script in the scratch folder. */
function script(name: string, text: string): string {
  const path = join(fake.dir, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return path;
}

function withHook(id: string, path: string): Spec {
  const spec = containerSpec(['sleep', '1000'], `/${fake.namespace}/${id}`);
  return { ...spec, hooks: { createRuntime: [{ path, args: [path], timeout: 100 }] } };
}

/** The pids that a script has written, when it has written all it wants to. */
async function pidsOf(file: string, count: number): Promise<number[]> {
  const path = join(fake.dir, file);
  return waitFor(
    `${count} pids in ${file}`,
    () => {
      const pids = existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').map(Number) : [];
      return pids.length === count && pids;
    },
    60_000,
  );
}

const groupsOf = (pid: number): string => readFileSync(`/proc/${pid}/cgroup`, 'utf8');

/** SIGKILL to the shim, then what containerd does. */
async function killShim(shim: Shim): Promise<void> {
  const pid = await shim.pid();
  process.kill(pid, 'SIGKILL');
  await waitFor('end of the shim', () => !isRunning(pid), 5_000);
  const deleted = await shim.deleteBinary();
  assert.equal(deleted.code, 0, deleted.stderr);
}

test('a shim is killed while a hook hangs: delete ends the hook and what it has started', limit, async () => {
  const id = 'hanging';
  const hook = script(
    'hang.sh',
    `sleep 1000 &\necho $$ > ${fake.dir}/hang\necho $! >> ${fake.dir}/hang\nwait`,
  );
  const shim = await fake.shim(id, withHook(id, hook));
  const create = shim.create();
  create.catch(() => undefined);
  const pids = await pidsOf('hang', 2);
  const groups = cgroupsOf(fake.bulkheadState, fake.namespace, id);
  const inside = readCgroup(groups.shim, 'cgroup.procs').split('\n').map(Number);
  for (const pid of pids) assert.ok(inside.includes(pid), `${pid} is in ${groups.shim}: ${inside}`);
  await killShim(shim);
  for (const pid of pids) assert.ok(!isRunning(pid), `process ${pid} lives on`);
  await assert.rejects(create);
  await shim.remove();
  for (const group of [groups.vm, groups.shim]) assert.ok(!hasCgroupFile(group, 'cgroup.procs'), group);
  await assertNothingNew(fake, clean, [id]);
});

test('a daemon that a hook has started outlives the sandbox and a killed shim', limit, async () => {
  for (const end of ['order', 'kill'] as const) {
    const id = `daemon-${end}`;
    const hook = script(
      `${id}.sh`,
      `setsid sleep 1000 </dev/null >/dev/null 2>&1 &\necho $! > ${fake.dir}/${id}.pid`,
    );
    const shim = await fake.shim(id, withHook(id, hook));
    await shim.run();
    const [daemon] = await pidsOf(`${id}.pid`, 1);
    assert.ok(daemon);
    assert.equal(groupsOf(daemon), groupsOf(process.pid), 'it is where the shim was started from');
    if (end === 'kill') await killShim(shim);
    await shim.remove();
    assert.ok(isRunning(daemon), 'nobody has ended it');
    process.kill(daemon, 'SIGKILL');
    await assertNothingNew(fake, clean, [id]);
  }
});

test('a logger writes the rest of its output although the shim was killed', limit, async () => {
  const id = 'logged';
  const logger = script(
    'logger.sh',
    `echo $$ > ${fake.dir}/logger\nexec 5>&-\ncat <&3 > ${fake.dir}/out\nsleep 1\necho rest >> ${fake.dir}/out`,
  );
  const shim = await fake.shim(
    id,
    containerSpec(['sh', '-c', 'echo up; exec sleep 1000'], `/${fake.namespace}/${id}`),
  );
  const stdout = `binary://${logger}`;
  const rootfs = await fake.rootfs(id);
  await shim.task.create({ id, bundle: shim.bundle, rootfs, stdout }, { timeoutMs: 90_000 });
  await shim.task.start({ id }, { timeoutMs: 30_000 });
  const [pid] = await pidsOf('logger', 1);
  const out = () => readFileSync(join(fake.dir, 'out'), 'utf8');
  await waitFor('output', () => out() === 'up\n', 20_000);
  await killShim(shim);
  assert.ok(pid !== undefined && isRunning(pid), 'delete has not ended it');
  await waitFor('the rest', () => out() === 'up\nrest\n', 10_000);
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
});

test('a shim that has ended its sandbox is where it came from, and its group is gone', limit, async () => {
  const id = 'left';
  const shim = await fake.shim(id, containerSpec(['true'], `/${fake.namespace}/${id}`));
  const pid = await shim.pid();
  assert.equal(groupsOf(pid), groupsOf(process.pid), 'before there is a sandbox');
  await shim.create();
  const { shim: group } = cgroupsOf(fake.bulkheadState, fake.namespace, id);
  assert.notEqual(groupsOf(pid), groupsOf(process.pid));
  await shim.task.start({ id }, { timeoutMs: 30_000 });
  await shim.task.wait({ id }, { timeoutMs: 30_000 });
  await waitFor('end of the sandbox', () => groupsOf(pid) === groupsOf(process.pid), 5_000);
  assert.ok(!hasCgroupFile(group, 'cgroup.procs'));
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
});

// `bulkhead gc`: CRI-O never calls `delete`, so what a killed shim leaves stays until somebody looks for it.
import assert from 'node:assert/strict';
import { existsSync, lstatSync, lutimesSync, mkdirSync, readdirSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cgroupsOf, hasCgroupFile, hierarchies, makeCgroup } from '../../scripts/stand/cgroups.ts';
import { describe, run } from '../../scripts/stand/command.ts';
import { mountsBelow } from '../../scripts/stand/mounts.ts';
import { repoRoot } from '../../scripts/stand/paths.ts';
import { isRunning } from '../../scripts/stand/processes.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import type { Collected } from '../../src/cli/gc.ts';
import { type CrioContainer, createCrio, removeCrio } from '../support/crio.ts';
import { useFakeContainerd } from '../support/stands.ts';

const limit = { timeoutMs: 60_000 };

const { fake } = await useFakeContainerd();

/** Runs the command; of the machine's other leftovers, tests of others have theirs, only the ones of this test are looked at. */
async function gc(...flags: string[]): Promise<{ code: number | null; rows: Map<string, Collected> }> {
  const env = { ...process.env, BULKHEAD_STATE: fake.bulkheadState };
  const result = await run(join(repoRoot, 'build/bin/bulkhead'), ['gc', '--json', ...flags], {
    env,
    timeoutMs: 60_000,
  });
  assert.equal(result.stderr, '', describe(result));
  const rows = (JSON.parse(result.stdout) as Collected[]).filter(
    (one) => !one.name.startsWith('/') || one.name.includes(fake.namespace),
  );
  return { code: result.code, rows: new Map(rows.map((one) => [one.name, one])) };
}

async function startPod(name: string): Promise<CrioContainer> {
  const id = `${fake.namespace}-${name}`;
  const pause = await createCrio(fake, id, id, ['sleep', '100000']);
  await pause.task.start({ id }, limit);
  return pause;
}

async function assertRuns({ id, task, pid }: CrioContainer): Promise<void> {
  assert.equal((await task.state({ id }, limit)).status, 2, 'running');
  assert.ok(isRunning(pid));
  const { vm, shim } = cgroupsOf(fake.bulkheadState, 'default', id);
  for (const group of [vm, shim]) assert.ok(hasCgroupFile(group, 'cgroup.procs'), group);
  await task.pids({ id }, limit);
}

async function end(pod: CrioContainer): Promise<void> {
  await pod.task.kill({ id: pod.id, signal: 9 }, limit);
  await pod.task.wait({ id: pod.id }, limit);
  await removeCrio(fake, pod);
}

test('what a killed shim left is listed, then removed, beside pods that run and one that starts', {
  skip: !runtime.isVm && 'it is about our shim',
  timeout: 240_000,
}, async () => {
  const lives = await startPod('lives');
  const dies = await startPod('dies');
  const { shimPid } = await dies.task.connect({ id: dies.id }, limit);
  process.kill(shimPid, 'SIGKILL');
  await waitFor('end of the VM', () => !isRunning(shimPid) && !isRunning(dies.pid), 10_000);
  dies.io.close();

  // What is left without a record; as old as what nobody has come back for, and new.
  const old = new Date(Date.now() - 3_600_000);
  const groups = ['old', 'new'].map((age) => `/${fake.namespace}/bulkhead-default:${age}`);
  for (const path of groups) makeCgroup(path);
  for (const hierarchy of hierarchies()) utimesSync(join(hierarchy, groups[0]!), old, old);
  for (const name of ['old', 'new']) mkdirSync(join(fake.bulkheadState, 'default', name));
  utimesSync(join(fake.bulkheadState, 'default/old'), old, old);
  const users = join(fake.bulkheadState, '.users');
  symlinkSync('default/nobody', join(users, '4000000'));
  symlinkSync(`default/${lives.id}`, join(users, '4000001'));
  for (const uid of ['4000000', '4000001']) lutimesSync(join(users, uid), old, old);

  const left = [`default/${dies.id}`, groups[0]!, 'default/old', '4000000'].sort();
  const dir = join(fake.bulkheadState, 'default', dies.id);
  const dead = cgroupsOf(fake.bulkheadState, 'default', dies.id);
  const dry = await gc('--dry-run');
  assert.equal(dry.code, 0);
  const would = [...dry.rows.values()].filter((one) => one.result === 'would be removed');
  assert.deepEqual(would.map((one) => one.name).sort(), left);
  assert.equal(dry.rows.get(groups[1]!)?.result, 'left alone');
  assert.match(
    dry.rows.get(`default/${dies.id}`)!.what,
    /its shim \(\d+\) is gone, \d+ mounts, .*user \d+, its socket/,
  );
  assert.ok(
    existsSync(dies.address) && mountsBelow(dir).length > 0 && hasCgroupFile(dead.vm, 'cgroup.procs'),
  );

  const [first, second, starts] = await Promise.all([gc(), gc(), startPod('starts')]);
  assert.deepEqual(
    [first.code, second.code],
    [0, 0],
    JSON.stringify([...first.rows.values(), ...second.rows.values()]),
  );
  assert.ok(!existsSync(dies.address) && !existsSync(dir));
  assert.deepEqual(mountsBelow(dir), []);
  for (const group of [dead.vm, dead.shim, groups[0]!])
    assert.ok(!hasCgroupFile(group, 'cgroup.procs'), group);
  assert.ok(hasCgroupFile(groups[1]!, 'cgroup.procs'));
  assert.ok(!readdirSync(users).includes('4000000'));
  assert.ok(lstatSync(join(users, '4000001')).isSymbolicLink(), 'its sandbox is there');
  assert.deepEqual(
    readdirSync(join(fake.bulkheadState, 'default')).sort(),
    ['new', lives.id, starts.id].sort(),
  );

  const again = await gc();
  assert.equal(again.code, 0);
  assert.deepEqual([...again.rows.keys()], [groups[1]!]);
  for (const pod of [lives, starts]) await assertRuns(pod);
  for (const pod of [lives, starts]) await end(pod);
  dies.connection.close();
});

test('a shim that serves its socket lives, also where its pid is not seen', {
  skip: !runtime.isVm && 'it is about our shim',
  timeout: 120_000,
}, async () => {
  const pod = await startPod('unseen');
  const env = { ...process.env, BULKHEAD_STATE: fake.bulkheadState };
  const words = ['--pid', '--fork', '--mount-proc', join(repoRoot, 'build/bin/bulkhead'), 'gc', '--json'];
  const result = await run('unshare', words, { env, timeoutMs: 60_000 });
  assert.doesNotMatch(result.stdout, new RegExp(pod.id), describe(result));
  await assertRuns(pod);
  await end(pod);
});

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { openCgroup } from './cgroup.ts';
import { OwnCgroup, placesFrom } from './own-cgroup.ts';
import { groupBeside } from './sandbox-groups.ts';

const groupsOf = (pid: number | string): string => readFileSync(`/proc/${pid}/cgroup`, 'utf8');
const pathsOf = (pid: number): string[] =>
  groupsOf(pid)
    .trim()
    .split('\n')
    .map((line) => line.split(':').slice(2).join(':'));

/** A shell script, from when it has written its first line. */
async function start(script: string): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, line: line.toString().trim() };
}

test('where a process comes from: its path in each hierarchy, the top of those it does not see', () => {
  const hierarchies = [
    { mountPoint: '/c/cpu', version: 1, controllers: 'cpu,cpuacct' },
    { mountPoint: '/c/systemd', version: 1, controllers: 'name=systemd' },
    { mountPoint: '/c/pids', version: 1, controllers: 'pids' },
    { mountPoint: '/c/unified', version: 2, controllers: '' },
  ] as const;
  const text = '3:cpu,cpuacct:/a:b\n2:pids:/../x\n0::/system.slice/containerd.service\n';
  assert.deepEqual(
    placesFrom(text, hierarchies).map(({ file }) => file),
    [
      '/c/cpu/a:b/cgroup.procs',
      '/c/systemd/cgroup.procs',
      '/c/pids/cgroup.procs',
      '/c/unified/system.slice/containerd.service/cgroup.procs',
    ],
  );
});

test('joined, its children start there; left, everything is where it was and the group is gone', async () => {
  const before = groupsOf('self');
  const path = groupBeside('', `test-own-${process.pid}`);
  const own = new OwnCgroup();
  await own.leave();
  await own.join(path);
  const children: ChildProcess[] = [];
  try {
    assert.deepEqual([...new Set(pathsOf(process.pid))], [path]);
    const helper = await start('echo up; exec sleep 100');
    // What a hook leaves: its parent is gone.
    const hook = await start('setsid sleep 100 >/dev/null & echo $!');
    await once(hook.child, 'exit');
    const daemon = Number(hook.line);
    const logger = await start('sleep 100 >/dev/null & echo $!; wait');
    children.push(helper.child, logger.child);
    assert.deepEqual([...new Set(pathsOf(daemon))], [path]);

    await own.letGoOfOrphans();
    assert.equal(groupsOf(daemon), before, 'the daemon is let go');
    assert.deepEqual([...new Set(pathsOf(helper.child.pid!))], [path], 'the helper stays');
    process.kill(daemon, 'SIGKILL');

    await own.letGo(logger.child.pid!);
    assert.equal(groupsOf(logger.child.pid!), before);
    assert.equal(groupsOf(Number(logger.line)), before, 'and so is its child');
    process.kill(Number(logger.line), 'SIGKILL');
  } finally {
    await own.leave();
  }
  assert.equal(groupsOf('self'), before);
  assert.equal(groupsOf(children[0]!.pid!), before, 'what still runs is not ended');
  for (const child of children) child.kill('SIGKILL');
  for (const folder of openCgroup(path).folders) assert.equal(existsSync(folder), false, folder);
  await own.leave();
});

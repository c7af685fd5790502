import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { shellIn } from '../../scripts/stand/cgroups.ts';
import { type Cgroup, createCgroup } from './cgroup.ts';
import { applyLimits } from './cgroup-limits.ts';
import { groupBeside } from './sandbox-groups.ts';

const limits = {
  memoryBytes: 512 << 20,
  cpus: 2.5,
  pids: 77,
  devices: [{ type: 'c', major: 1, minor: 3 }],
} as const;

function read(folders: readonly string[], file: string): string | undefined {
  const path = folders.map((folder) => join(folder, file)).find((one) => existsSync(one));
  return path && readFileSync(path, 'utf8').trim();
}

test('version 2: the files of one folder', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bulkhead-limits-'));
  try {
    for (const file of ['memory.max', 'memory.swap.max', 'cpu.max', 'pids.max'])
      writeFileSync(join(folder, file), '');
    assert.deepEqual(applyLimits([folder], limits), []);
    assert.equal(read([folder], 'memory.max'), String(512 << 20));
    assert.equal(read([folder], 'memory.swap.max'), '0');
    assert.equal(read([folder], 'cpu.max'), '250000 100000');
    assert.equal(read([folder], 'pids.max'), '77');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('limits grow and shrink again; devices that are not named stay', async () => {
  const cgroup = await createCgroup(groupBeside('', `limits-${process.pid}`));
  try {
    assert.deepEqual(cgroup.limit(limits), []);
    const rules = read(cgroup.folders, 'devices.list');
    const { devices: _, ...others } = limits;
    for (const mib of [1024, 256]) {
      assert.deepEqual(cgroup.limit({ ...others, memoryBytes: mib << 20 }), []);
      const limit = read(cgroup.folders, 'memory.limit_in_bytes') ?? read(cgroup.folders, 'memory.max');
      assert.equal(limit, String(mib << 20));
    }
    assert.equal(read(cgroup.folders, 'devices.list'), rules);
  } finally {
    await cgroup.remove();
  }
});

test('what no hierarchy can limit is told', () => {
  const told = applyLimits(['/nonexistent'], limits).join('\n');
  for (const what of [/^memory is not limited/m, /^CPU time is not limited/m, /^the number of processes/m])
    assert.match(told, what);
});

async function withCgroup(name: string, body: (cgroup: Cgroup) => void | Promise<void>): Promise<void> {
  const cgroup = await createCgroup(groupBeside('', `test-${name}-${process.pid}`));
  try {
    await body(cgroup);
  } finally {
    await cgroup.kill();
    await cgroup.remove();
  }
}

/** Runs a shell script in the group. */
function runIn(cgroup: Cgroup, script: string): { code: number | null; stderr: string } {
  const [file, ...args] = shellIn(cgroup, script);
  const { status, stderr } = spawnSync(file, args, { encoding: 'utf8' });
  return { code: status, stderr };
}

test('the limits of a real group are those that were asked for', () =>
  withCgroup('limits', (cgroup) => {
    const { folders } = cgroup;
    assert.deepEqual(cgroup.limit(limits), []);
    const memory = read(folders, 'memory.limit_in_bytes') ?? read(folders, 'memory.max');
    assert.equal(memory, String(512 << 20));
    const swap = read(folders, 'memory.memsw.limit_in_bytes');
    if (swap !== undefined) assert.equal(swap, memory);
    const quota = read(folders, 'cpu.cfs_quota_us') ?? read(folders, 'cpu.max')?.split(' ')[0];
    assert.equal(quota, '250000');
    assert.equal(read(folders, 'pids.max'), '77');
  }));

test('version 1: only devices of the list can be opened, also by nodes that are made', (t) =>
  withCgroup('devices', (cgroup) => {
    const list = () => read(cgroup.folders, 'devices.list');
    if (list() === undefined) return t.skip('no devices hierarchy of version 1');
    cgroup.limit(limits);
    assert.equal(list(), 'c 1:3 rw\nc *:* m\nb *:* m');
    // Its own standard streams are open; the script opens what it names.
    assert.equal(runIn(cgroup, 'echo x > /dev/null').code, 0);
    assert.equal(runIn(cgroup, 'mknod /dev/bulkhead-test c 1 5').code, 0);
    try {
      for (const refused of ['/dev/zero', '/dev/bulkhead-test']) {
        const { code, stderr } = runIn(cgroup, `head -c 1 ${refused}`);
        assert.notEqual(code, 0, refused);
        assert.match(stderr, /not permitted/, refused);
      }
    } finally {
      rmSync('/dev/bulkhead-test');
    }
  }));

test('version 1: a quota further up is the limit, and stays changeable', async (t) => {
  await withCgroup('quota', async (parent) => {
    const folder = parent.folders.find((one) => existsSync(join(one, 'cpu.cfs_quota_us')));
    if (folder === undefined) return t.skip('no cpu hierarchy of version 1');
    writeFileSync(join(folder, 'cpu.cfs_quota_us'), '50000');
    const child = await createCgroup(`${parent.path}/child`);
    try {
      assert.deepEqual(child.limit(limits), []);
      assert.equal(read(child.folders, 'cpu.cfs_quota_us'), '-1');
      writeFileSync(join(folder, 'cpu.cfs_quota_us'), '20000');
    } finally {
      await child.remove();
    }
  });
});

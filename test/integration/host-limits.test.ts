// What a VM's processes may take of the host: limits, devices and oom_score_adj of QEMU, bulkhead-files and the shim; and that
// a guest which uses all it has never meets them.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  cgroupsOf,
  hasCgroupFile,
  makeCgroup,
  readCgroup,
  removeCgroups,
} from '../../scripts/stand/cgroups.ts';
import { kvmWorks, runtime } from '../../scripts/stand/runtime.ts';
import { planHostLimits } from '../../src/vm/host-limits.ts';
import { FakeContainerd } from '../support/fake-containerd.ts';
import { assertNothingNew, belongings } from '../support/leaks.ts';
import { containerSpec } from '../support/spec.ts';

const MIB = 1 << 20;
const limit = { timeout: 240_000, skip: !runtime.isVm && 'it is about the VM' };
/** A VM of 192 MiB whose monitor may have little besides: a quarter of what is computed for it. */
const TIGHT = '[vm]\ndefault_memory_mib = 192\nvmm_memory_mib = 256\n';

let fake: FakeContainerd;
let tight: FakeContainerd;
before(async () => {
  fake = await FakeContainerd.start();
  const file = join(fake.dir, 'config.toml');
  writeFileSync(file, TIGHT);
  tight = await FakeContainerd.start(runtime, { BULKHEAD_CONFIG: file });
});
after(async () => {
  await tight.stop();
  await fake.stop();
});

const scoreOf = (pid: number | string): number => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'));
const pidsIn = (path: string): string[] => readCgroup(path, 'cgroup.procs').split('\n');

test('the groups of a VM and of its shim, below the slice that the spec names', limit, async () => {
  const id = 'limited';
  const name = fake.namespace.replaceAll('-', '');
  const slice = `/${name}.slice/${name}-pod.slice`;
  makeCgroup(slice);
  const clean = belongings(fake, [id]);
  const spec = containerSpec(['sleep', '1000'], `${name}-pod.slice:cri-containerd:${id}`, {
    oomScoreAdj: 300,
  });
  spec.linux.resources = { memory: { limit: 64 * MIB }, cpu: { quota: 50_000, period: 100_000 } };
  const shim = await fake.shim(id, spec);
  await shim.run();
  const groups = cgroupsOf(fake.bulkheadState, fake.namespace, id);
  assert.equal(groups.vm, `${slice}/bulkhead-${fake.namespace}:${id}`);
  assert.match(groups.shim, new RegExp(`^${slice}/bulkhead-shim-[0-9a-f]{32}$`));

  const accelerator = kvmWorks() ? 'kvm' : 'tcg';
  const wanted = planHostLimits({ vcpus: 1, memoryMib: 192, accelerator, vmmMemoryMib: 0 });
  const memory = readCgroup(groups.vm, 'memory.limit_in_bytes', 'memory.max');
  assert.equal(memory, String(wanted.memoryBytes));
  if (hasCgroupFile(groups.vm, 'memory.memsw.limit_in_bytes'))
    assert.equal(readCgroup(groups.vm, 'memory.memsw.limit_in_bytes'), memory);
  if (hasCgroupFile(groups.vm, 'memory.swap.max'))
    assert.equal(readCgroup(groups.vm, 'memory.swap.max'), '0');
  assert.match(readCgroup(groups.vm, 'cpu.cfs_quota_us', 'cpu.max'), /^300000\b/);
  assert.equal(readCgroup(groups.vm, 'pids.max'), '1025');
  if (hasCgroupFile(groups.vm, 'devices.list')) {
    const list = wanted.devices.map(({ type, major, minor }) => `${type} ${major}:${minor} rw`);
    const made = ['b *:* m', 'c *:* m'];
    assert.deepEqual(readCgroup(groups.vm, 'devices.list').split('\n').sort(), [...made, ...list].sort());
  }

  const vm = pidsIn(groups.vm);
  assert.ok(vm.length >= 2, 'QEMU and bulkhead-files');
  for (const pid of vm) assert.equal(scoreOf(pid), 300, readFileSync(`/proc/${pid}/comm`, 'utf8'));
  // A node is the guest's own business: what it makes is a file on the host, which nobody can open as a device there.
  const nodes = 'mknod /node c 1 3 && echo > /node && mknod /block b 8 0 && echo ok';
  const made = await shim.exec(containerSpec(['sh', '-c', nodes], '').process);
  await made.io.expect(/ok/);
  const shimPid = await shim.pid();
  assert.ok(pidsIn(groups.shim).includes(String(shimPid)));
  assert.equal(scoreOf(shimPid), Math.min(scoreOf('self') + 1, 1000), 'one more than what started it');
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
  for (const group of [groups.vm, groups.shim]) assert.ok(!hasCgroupFile(group, 'cgroup.procs'), group);
  removeCgroups(`${name}.slice`);
});

test(
  'a parent that nobody has made is made, and goes with the last sandbox, also by delete',
  limit,
  async () => {
    const parent = `/${fake.namespace}/made/deep`;
    const clean = belongings(fake, ['one', 'two']);
    const isThere = (path: string): boolean => hasCgroupFile(path, 'cgroup.procs');
    const [one, two] = await Promise.all(
      ['one', 'two'].map(async (id) => {
        const shim = await fake.shim(id, containerSpec(['sleep', '1000'], `${parent}/${id}`));
        await shim.run();
        return shim;
      }),
    );
    const { vm } = cgroupsOf(fake.bulkheadState, fake.namespace, 'two');
    assert.equal(vm, `${parent}/bulkhead-${fake.namespace}:two`);
    await one!.remove();
    assert.ok(isThere(vm));
    process.kill(await two!.pid(), 'SIGKILL');
    const deleted = await two!.deleteBinary();
    assert.equal(deleted.code, 0, deleted.stderr);
    assert.ok(!isThere(`/${fake.namespace}`));
    await two!.remove();
    await assertNothingNew(fake, clean, ['one', 'two']);
  },
);

test(
  'a guest that uses all its memory, its cache and its files lives within little more',
  limit,
  async () => {
    const id = 'greedy';
    const volume = join(tight.dir, 'volume');
    mkdirSync(join(volume, 'files'), { recursive: true });
    for (let n = 0; n < 4_000; n++) writeFileSync(join(volume, 'files', `${n}`), '');
    const script = [
      'dd if=/dev/zero of=/volume/large bs=1M count=400 2>&1',
      'cat /volume/large | md5sum',
      'ls -l /volume/files | wc -l',
      'dd if=/dev/zero of=/dev/shm/block bs=1M 2>&1',
      'tail /dev/zero; echo killed $?',
      'dd if=/dev/zero of=/volume/large bs=1M count=100 2>&1',
      'tail /dev/zero; echo killed $?',
      'echo filled; exec sleep 1000',
    ].join('\n');
    const spec = containerSpec(['sh', '-c', script], `/${tight.namespace}/${id}`);
    spec.mounts.push({ destination: '/volume', type: 'bind', source: volume, options: ['rbind', 'rw'] });
    const shim = await tight.shim(id, spec);
    const io = await shim.run();
    await io.expect(/filled/, 200_000);
    assert.equal(io.output.match(/killed 137/g)?.length, 2, `the guest's own OOM killer: ${io.output}`);
    assert.match(io.output, /^4001$/m);
    const { vm } = cgroupsOf(tight.bulkheadState, tight.namespace, id);
    const most = Number(readCgroup(vm, 'memory.max_usage_in_bytes', 'memory.peak'));
    assert.ok(most > 0.98 * 448 * MIB, `it came up to the limit: ${most / MIB} MiB of 448`);
    assert.match(readCgroup(vm, 'memory.oom_control', 'memory.events'), /^oom_kill 0$/m);
    assert.match(readCgroup(vm, 'cpu.stat'), /^nr_throttled 0$/m);
    await shim.remove();
  },
);

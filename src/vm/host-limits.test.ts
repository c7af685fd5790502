import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planHostLimits } from './host-limits.ts';

const shape = { vcpus: 2, memoryMib: 1024, accelerator: 'kvm', vmmMemoryMib: 0 } as const;
const MIB = 1024 * 1024;

test('the VM, and what its VMM needs besides', () => {
  const { memoryBytes, cpus, pids, devices, reasons } = planHostLimits(shape);
  // 64 + 2 * 4 programs, 21 tables, 256 cache, 176 files.
  assert.equal(memoryBytes / MIB, 1024 + 72 + 21 + 256 + 176);
  assert.equal(cpus, 4);
  assert.equal(pids, 1026);
  assert.ok(devices.every(({ type }) => type === 'c'));
  assert.match(reasons.join('\n'), /1549 MiB of the host: the VM's 1024 plus 525 .*\n4 CPUs of the host/);
});

test('TCG needs room for its translations, and more per vCPU', () => {
  const emulated = planHostLimits({ ...shape, accelerator: 'tcg' });
  assert.equal((emulated.memoryBytes - planHostLimits(shape).memoryBytes) / MIB, 128 + 2 * 28);
});

test('the number of files that the guest may hold is bounded, for large VMs too', () => {
  const overhead = (memoryMib: number) =>
    planHostLimits({ ...shape, memoryMib }).memoryBytes / MIB - memoryMib;
  assert.equal(overhead(65_536) - overhead(32_768), Math.ceil(65_536 * 0.02) - Math.ceil(32_768 * 0.02));
  const files = (memoryMib: number) => planHostLimits({ ...shape, memoryMib }).files;
  assert.deepEqual([64, 1024, 65_536].map(files), [16_384, 65_536, 262_144]);
});

test('an operator may set what the VMM gets', () => {
  const { memoryBytes, reasons } = planHostLimits({ ...shape, vmmMemoryMib: 300 });
  assert.equal(memoryBytes / MIB, 1324);
  assert.match(reasons[0] ?? '', /as configured \(vm\.vmm_memory_mib\)/);
});

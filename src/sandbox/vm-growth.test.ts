import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import type { VmResize } from '../vm/hypervisor.ts';
import { VmGrowth } from './vm-growth.ts';

const MIB = 2 ** 20;
const memory = (mib: number) => ({ memory: { limit: mib * MIB } });
const cpus = (count: number) => ({ cpu: { quota: count * 100_000, period: 100_000 } });

/** A VM of 256 MiB and one vCPU, of which it may have two. */
let vm: { vcpus: number; memoryMib: number };
let size: VmResize;
let allowed: { readonly vcpus: number; readonly memoryMib: number };
let onlined: number[];
let isGuestSilent: boolean;
let over: Set<string>;
let growth: VmGrowth;

beforeEach(() => {
  vm = { vcpus: 1, memoryMib: 256 };
  allowed = { ...vm };
  onlined = [];
  isGuestSilent = false;
  over = new Set();
  size = Object.assign(vm, {
    async setMemory(mib: number) {
      if (mib > 1024) throw new Error('its ceiling is 1024 MiB');
      assert.ok(allowed.memoryMib >= mib || mib < vm.memoryMib, 'the host allows it first');
      vm.memoryMib = Math.max(256, mib);
      return vm.memoryMib;
    },
    async growVcpus(count: number) {
      if (count > 2) throw new Error('its ceiling is 2');
      vm.vcpus = Math.max(vm.vcpus, count);
      return vm.vcpus;
    },
  });
  const call = async (_method: string, _what: string, request: { readonly nbCpus?: number }) => {
    if (isGuestSilent) throw new Error('the guest agent did not answer');
    onlined.push(request.nbCpus!);
  };
  growth = new VmGrowth({
    ...{ size, agent: { call } as never, overheadVcpus: 0, overheadMemoryMib: 128, cpus: 8 },
    isOver: (id) => over.has(id),
    allow: (more) => {
      allowed = more;
    },
    log: () => {},
  });
});

test('grows to the sum of the containers that live, and shrinks again', async () => {
  await growth.set('a', memory(100));
  assert.equal(vm.memoryMib, 256, 'it has room');
  await growth.set('b', memory(300));
  assert.deepEqual([vm.memoryMib, allowed.memoryMib], [528, 528]);
  over.add('a');
  await growth.set('b', memory(390));
  assert.equal(vm.memoryMib, 528, 'one that has exited takes nothing');
  await growth.set('b', memory(100));
  await growth.shrink();
  assert.equal(vm.memoryMib, 256);
});

test('what cannot be done changes nothing: neither memory, nor what the container counts with', async () => {
  await growth.set('a', memory(200));
  const before = vm.memoryMib;
  await assert.rejects(growth.set('a', memory(5000)), /ceiling is 1024 MiB/);
  await assert.rejects(growth.set('a', { ...memory(600), ...cpus(4) }), /ceiling is 2/);
  assert.deepEqual([vm.memoryMib, allowed.memoryMib, vm.vcpus], [before, before, 1]);
  await growth.set('b', memory(10));
  assert.equal(vm.memoryMib, 338);
});

test('vCPUs that the guest did not take are offered again', async () => {
  isGuestSilent = true;
  await assert.rejects(growth.set('a', cpus(2)), /did not answer/);
  assert.equal(vm.vcpus, 2, 'none is ever taken away');
  isGuestSilent = false;
  await growth.set('a', cpus(2));
  assert.deepEqual(onlined, [2]);
  await growth.set('a', cpus(2));
  assert.deepEqual(onlined, [2]);
});

// What the VM tests share: a spec for the built guest, folders and cgroup around it, a look at what is left.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Connection, createClient } from 'ttrpc-ts';
import { unmountBelow } from '../../scripts/stand/mounts.ts';
import { repoRoot, scratchDir } from '../../scripts/stand/paths.ts';
import { within } from '../../scripts/stand/wait.ts';
import { filesProgram, mountHelper } from '../../src/config/locate.ts';
import { HealthService } from '../../src/gen/agent.ts';
import { type Cgroup, createCgroup } from '../../src/host/cgroup.ts';
import { shareFolder } from '../../src/host/mounts.ts';
import { isAlive, type ProcessRef, waitGone } from '../../src/host/process.ts';
import { groupBeside } from '../../src/host/sandbox-groups.ts';
import type { Vm, VmSpec } from '../../src/vm/hypervisor.ts';
import { startQemu } from '../../src/vm/qemu/qemu.ts';

const guest = join(repoRoot, 'build/share/bulkhead');

/** A folder, a cgroup and a shared folder for VMs, removed with all they hold by `close`. */
export interface Stand {
  readonly dir: string;
  readonly vmDir: string;
  readonly sharedDir: string;
  readonly cgroup: Cgroup;
  spec(change?: Change): VmSpec;
  start(change?: Change, signal?: AbortSignal): Promise<Vm>;
  /** Fails unless every process, socket and helper of the VMs is gone. */
  assertEmpty(processes?: readonly ProcessRef[]): Promise<void>;
  close(): Promise<void>;
}

/** Other values of a spec; one cannot be taken away. */
type Change = { readonly [K in keyof VmSpec]?: Exclude<VmSpec[K], undefined> };

let count = 0;

/** The generous limit of one start: an emulated machine on a busy host. */
const START_MS = 60_000;

export async function createStand(): Promise<Stand> {
  for (const name of ['vmlinux', 'image']) {
    assert.ok(existsSync(join(guest, name)), `${join(guest, name)} is missing: run 'make guest' first`);
  }
  const dir = await scratchDir('vm');
  const [vmDir, sharedDir] = [join(dir, 'vm'), join(dir, 'shared')];
  mkdirSync(vmDir, { mode: 0o700 });
  mkdirSync(sharedDir);
  await shareFolder(sharedDir, { helper: mountHelper() });
  const cgroup = await createCgroup(groupBeside('', `vm-test-${process.pid}-${count++}`));
  const spec = (change: Change = {}): VmSpec => ({
    id: 'test',
    uid: 2_000_070_000 + (process.pid % 1000),
    dir: vmDir,
    vcpus: 1,
    memoryMib: 192,
    kernel: join(guest, 'vmlinux'),
    image: join(guest, 'image'),
    kernelParams: '',
    accelerator: 'auto',
    hypervisorPath: '/usr/bin/qemu-system-x86_64',
    cgroup,
    shared: { dir: sharedDir, program: filesProgram(), mostFiles: 16_384 },
    ...change,
  });
  return {
    dir,
    vmDir,
    sharedDir,
    cgroup,
    spec,
    start: (change, signal = AbortSignal.timeout(START_MS)) => startQemu(spec(change), signal),
    async assertEmpty(processes = []) {
      for (const ref of processes)
        assert.ok(await waitGone(ref, { timeoutMs: 5000 }), `process ${ref.pid} lives on`);
      assert.deepEqual(cgroup.procs(), [], 'the cgroup is empty');
      assert.deepEqual(readdirSync(vmDir), [], "the VM's folder is empty");
    },
    async close() {
      await cgroup.kill();
      await cgroup.remove();
      await unmountBelow(dir);
      rmSync(dir, { recursive: true });
    },
  };
}

/** Asks the agent for its health, over the VM's channel, before the guest can have opened it. */
export async function awaitAgent(vm: Vm, timeoutMs = START_MS): Promise<Connection> {
  const connection = new Connection(vm.agent);
  const health = createClient(HealthService, connection);
  const died = vm.exited.then((exit) => Promise.reject(new Error(exit.reason)));
  died.catch(() => undefined);
  await within('answer of the agent', timeoutMs, Promise.race([health.check({}, { timeoutMs }), died]));
  return connection;
}

/** All of a VM's processes live and are in its cgroup. */
export function assertRunning(vm: Vm, cgroup: Cgroup): void {
  const inside = new Set(cgroup.procs());
  for (const one of vm.processes) {
    assert.ok(isAlive(one), `${one.name} lives`);
    assert.ok(inside.has(one.pid), `${one.name} is in the cgroup`);
  }
}

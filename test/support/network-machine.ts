// A sandbox as far as its network goes: the VM with a container of the test image, made from the parts of the
// product, without a container manager.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeRootfs } from '../../scripts/stand/image.ts';
import { repoRoot, scratchDir } from '../../scripts/stand/paths.ts';
import { connectAgent, type GuestAgent } from '../../src/agent/agent.ts';
import { filesProgram } from '../../src/config/locate.ts';
import { createCgroup } from '../../src/host/cgroup.ts';
import { groupBeside } from '../../src/host/sandbox-groups.ts';
import type { SpecNamespaces } from '../../src/network/mode.ts';
import { type NetworkGuest, SandboxNetwork } from '../../src/network/sandbox-network.ts';
import type { NetworkRecord } from '../../src/network/taps.ts';
import { parseSpec } from '../../src/oci/spec.ts';
import { prepareContainer } from '../../src/sandbox/prepare.ts';
import { rootOf } from '../../src/sandbox/root/prepare-root.ts';
import { Share } from '../../src/sandbox/volumes/share.ts';
import type { Vm } from '../../src/vm/hypervisor.ts';
import { startQemu } from '../../src/vm/qemu/qemu.ts';
import { containerSpec, processSpec } from './spec.ts';

export interface MachineOptions {
  readonly network: SpecNamespaces[number] | undefined;
  readonly pod?: boolean;
}

let count = 0;

const VMM_USER = 2_000_071_000;

/** The limit of a boot: an emulated machine on a busy host. */
const BOOT_MS = 90_000;

/** The container's own output is of no interest. */
const NO_STREAMS = {
  start: () => undefined,
  closeStdin: () => undefined,
  drain: () => Promise.resolve('drained' as const),
  close: () => Promise.resolve(),
};

export class Machine {
  readonly vm: Vm;
  readonly agent: GuestAgent;
  readonly network: SandboxNetwork;
  readonly logs: string[];
  /** Milliseconds that the parts of the start took. */
  readonly took: Record<string, number>;
  readonly records: NetworkRecord[];
  readonly #resources: AsyncDisposableStack;

  private constructor(
    parts: Pick<Machine, 'vm' | 'agent' | 'network' | 'logs' | 'took' | 'records'>,
    resources: AsyncDisposableStack,
  ) {
    this.vm = parts.vm;
    this.agent = parts.agent;
    this.network = parts.network;
    this.logs = parts.logs;
    this.took = parts.took;
    this.records = parts.records;
    this.#resources = resources;
  }

  static async boot(options: MachineOptions): Promise<Machine> {
    await using stack = new AsyncDisposableStack();
    const signal = AbortSignal.timeout(BOOT_MS);
    const [logs, records, took] = [[] as string[], [] as NetworkRecord[], {} as Record<string, number>];
    const clock = stopwatch(took);
    const dir = await scratchDir('net');
    stack.defer(() => rmSync(dir, { recursive: true }));
    const id = `net-test-${process.pid}-${count++}`;
    const cgroup = await createCgroup(groupBeside('', id));
    stack.defer(async () => {
      await cgroup.kill();
      await cgroup.remove();
    });
    const share = await Share.create(dir);
    stack.defer(() => share.close());
    const namespaces = options.network === undefined ? [] : [options.network];
    clock('other');
    const network = await SandboxNetwork.prepare(
      namespaces,
      options.pod ?? false,
      {
        log: (level, message, fields) => logs.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`),
        record: (record) => records.push(record),
        uid: VMM_USER,
      },
      signal,
    );
    clock('prepare');
    stack.defer(() => network.end());
    mkdirSync(join(dir, 'vm'), { mode: 0o700 });
    const guest = process.env.BULKHEAD_TEST_GUEST ?? join(repoRoot, 'build/share/bulkhead');
    const vm = await startQemu(
      {
        ...{ id, dir: join(dir, 'vm'), vcpus: 1, memoryMib: 256, cgroup, uid: VMM_USER },
        ...{ kernel: join(guest, 'vmlinux'), image: join(guest, 'image'), kernelParams: '' },
        ...{ accelerator: 'auto', hypervisorPath: '/usr/bin/qemu-system-x86_64' },
        shared: { dir: share.dir, program: filesProgram(), mostFiles: 16_384 },
        ...network.vmSpec,
      },
      signal,
    );
    stack.defer(async () => {
      await vm.kill();
    });
    const agent = await connectAgent(vm, { timeoutMs: BOOT_MS, requestMs: 30_000, signal });
    clock('boot');
    await network.configureGuest(agent);
    clock('configure');
    await agent.createSandbox({ sandboxId: id, hostname: 'net', dns: ['nameserver 192.0.2.53'] });
    const rootfs = join(dir, 'rootfs');
    mkdirSync(rootfs);
    await writeRootfs(rootfs);
    const spec = containerSpec(['sleep', '100000'], `/${id}`);
    const request = {
      ...{ id, bundle: dir, rootfs: [], paths: { stdin: '', stdout: '', stderr: '', terminal: false } },
      openIo: () => Promise.resolve(NO_STREAMS),
      spec: parseSpec(JSON.stringify({ ...spec, root: { path: rootfs } }), 'the test'),
    };
    const context = { namespace: 'test', socket: '', log: () => undefined, emit: () => undefined };
    const { plan } = await prepareContainer(context, share, request, {
      root: rootOf(request, { mode: 'shared', diskSizeMib: 1024 }),
      ...{ diskEmptyDir: 'share', diskSizeMib: 1024, vmMemoryMib: 1024, sandboxRoot: '' },
    });
    await agent.createContainer(id, { spec: plan.spec });
    const machine = new Machine({ vm, agent, network, logs, took, records }, stack.move());
    await agent.startContainer(id);
    machine.#id = id;
    return machine;
  }

  #id = '';
  #execs = 0;

  get guest(): NetworkGuest {
    return { vm: this.vm, agent: this.agent };
  }

  /** Runs a shell script in the container, with these capabilities only if any; its exit code must be 0; gives its output. */
  async sh(script: string, ...capabilities: string[]): Promise<string> {
    const execId = `e${this.#execs++}`;
    const process = processSpec(['sh', '-c', `exec 2>&1; ${script}`]);
    const sets = { bounding: capabilities, permitted: capabilities, effective: capabilities };
    const own = capabilities.length === 0 ? {} : { capabilities: sets };
    const json = Buffer.from(JSON.stringify({ ...process, ...own }));
    await this.agent.execProcess(this.#id, execId, json);
    const streams = this.agent.streams(this.#id, execId);
    const chunks: Uint8Array[] = [];
    for (;;) {
      const chunk = await streams.readStdout(32 * 1024).catch(() => new Uint8Array());
      if (chunk.length === 0) break;
      chunks.push(chunk);
    }
    const code = await this.agent.waitProcess(this.#id, execId);
    const output = Buffer.concat(chunks).toString();
    if (code !== 0) throw new Error(`exit ${code} of: ${script}\n${output}`);
    return output;
  }

  /** The VM first, then what it held. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

function stopwatch(into: Record<string, number>): (name: string) => void {
  let last = performance.now();
  return (name) => {
    const now = performance.now();
    into[name] = Math.round((now - last) * 10) / 10;
    last = now;
  };
}

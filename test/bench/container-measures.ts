// Measurements of containers: ctr run, boot against a bare QEMU, a second container in a VM, exec, output.
import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '../../scripts/stand/command.ts';
import type { Containerd } from '../../scripts/stand/containerd.ts';
import { imageName } from '../../scripts/stand/image.ts';
import { bulkheadRuntime, runcRuntime } from '../../scripts/stand/runtime.ts';
import type { Shim } from '../support/fake-containerd.ts';
import { containerSpec, processSpec } from '../support/spec.ts';
import { type BareVm, bareBoot, bareVmOf } from './bare-boot.ts';
import type { Measure } from './measure.ts';
import { programsOf } from './programs.ts';
import type { Sides } from './shim-measures.ts';

let number = 0;
const nextId = (label: string): string => `${label}${++number}`;

/** `ctr run --rm true` from exec to exit. */
export function runMeasure(daemon: Containerd, rounds: number): Measure {
  const stages = new Map<string, number[]>();
  const once = async (runtime: string): Promise<number> => {
    const id = nextId('run');
    const result = await daemon.mustCtr(
      ['run', '--rm', '--null-io', '--runtime', runtime, imageName, id, 'true'],
      {
        timeoutMs: 90_000,
      },
    );
    if (runtime === bulkheadRuntime) noteStages(stages, daemon.log(), id);
    return result.ms;
  };
  return {
    name: 'ctr run --rm true',
    unit: 'ms',
    peerName: "runc's shim",
    rounds,
    stages,
    ours: () => once(bulkheadRuntime),
    peer: () => once(runcRuntime),
  };
}

/** Figures that the shim logs for a sandbox: `vmmMs=15 kernelToAgentMs=800`. */
function noteStages(stages: Map<string, number[]>, log: string, id: string): void {
  for (const line of log.split('\n')) {
    if (!line.includes(`=${id} `) && !line.endsWith(`=${id}`)) continue;
    for (const [, key, value] of line.matchAll(/(\w+)Ms=(\d+(?:\.\d+)?)/g)) {
      if (key === undefined) continue;
      const values = stages.get(key) ?? [];
      values.push(Number(value));
      stages.set(key, values);
    }
  }
}

/** Our boot, from the start of the VMM to the agent's answer, against the same from a bare script. */
export function bootMeasure({ ours }: Sides, rounds: number): Measure {
  let bare: BareVm | undefined;
  const boot = async (): Promise<number> => {
    const id = nextId('boot');
    const shim = await ours.shim(id, containerSpec(['sleep', '1000'], `/${ours.namespace}/${id}`));
    try {
      await shim.create();
      bare ??= bareVmOf(programsOf(shim.fake.processes(), id).qemu);
      const stages = new Map<string, number[]>();
      noteStages(stages, shim.log(), id);
      const [vmm, agent] = [stages.get('vmm')?.[0], stages.get('kernelToAgent')?.[0]];
      if (vmm === undefined || agent === undefined)
        throw new Error(`the shim logged no boot times: ${shim.log().slice(-300)}`);
      return vmm + agent;
    } finally {
      await shim.remove();
    }
  };
  return {
    name: 'boot: VMM to agent',
    unit: 'ms',
    peerName: 'bare QEMU',
    aim: '<= 1.15x',
    rounds,
    setup: async () => void (await boot()),
    ours: boot,
    peer: async () => {
      if (bare === undefined) throw new Error('no VM has been seen yet');
      return await bareBoot(bare);
    },
  };
}

/** Create to exit of one more container in a running VM; the peer makes a container with a shim that runs already. */
export function joinMeasure({ ours, runc }: Sides, rounds: number): Measure {
  const sandboxes: Shim[] = [];
  const annotations = (type: string, id: string): Record<string, string> => ({
    'io.kubernetes.cri.container-type': type,
    'io.kubernetes.cri.sandbox-id': id,
  });
  const one = async (sandbox: Shim | undefined): Promise<number> => {
    if (sandbox === undefined) throw new Error('no sandbox');
    const { fake } = sandbox;
    const id = nextId('more');
    const spec = {
      ...containerSpec(['true'], `/${fake.namespace}/${id}`),
      annotations: annotations('container', sandbox.id),
    };
    const bundle = await fake.bundle(id, spec);
    const started = await fake.invoke(id, 'start', [], { cwd: bundle });
    if (started.code !== 0) throw new Error(`start: ${started.stdout}${started.stderr}`);
    const rootfs = await fake.rootfs(id);
    const begun = performance.now();
    const { task } = sandbox;
    await task.create({ id, bundle, rootfs }, { timeoutMs: 60_000 });
    const exit = task.wait({ id }, { timeoutMs: 60_000 });
    await task.start({ id }, { timeoutMs: 60_000 });
    await exit;
    const ms = performance.now() - begun;
    await task.delete({ id });
    await fake.invoke(id, 'delete', ['-bundle', bundle], { cwd: bundle });
    await rm(bundle, { recursive: true, force: true });
    return ms;
  };
  return {
    name: 'one more container in a running sandbox: create to exit',
    unit: 'ms',
    peerName: "runc's shim",
    rounds,
    setup: async () => {
      for (const fake of [ours, runc]) {
        const id = nextId('pod');
        const spec = {
          ...containerSpec(['sleep', '100000'], `/${fake.namespace}/${id}`),
          annotations: annotations('sandbox', id),
        };
        const shim = await fake.shim(id, spec);
        sandboxes.push(shim);
        await shim.run();
      }
    },
    ours: () => one(sandboxes[0]),
    peer: () => one(sandboxes[1]),
    teardown: async () => {
      for (const shim of sandboxes) await shim.remove();
    },
  };
}

/** Exec of /bin/true: Exec, Start, exit, Delete. */
export function execMeasure(running: { ours: Shim; runc: Shim }, rounds: number): Measure {
  const once = async (shim: Shim): Promise<number> => {
    const execId = nextId('x');
    const { task, id } = shim;
    const spec = {
      typeUrl: 'types.containerd.io/opencontainers/runtime-spec/1/Process',
      value: Buffer.from(JSON.stringify(processSpec(['/bin/true']))),
    };
    const begun = performance.now();
    await task.exec({ id, execId, spec });
    const exit = task.wait({ id, execId }, { timeoutMs: 60_000 });
    await task.start({ id, execId }, { timeoutMs: 60_000 });
    await exit;
    await task.delete({ id, execId });
    return performance.now() - begun;
  };
  return {
    name: 'exec /bin/true',
    unit: 'ms',
    peerName: "runc's shim",
    aim: '<= 4x',
    rounds,
    ours: () => once(running.ours),
    peer: () => once(running.runc),
  };
}

/** Output of an exec from the container into a reader of its FIFO. */
export function outputMeasure(
  running: { ours: Shim; runc: Shim },
  rounds: number,
  mebibytes: number,
): Measure {
  const once = async (shim: Shim): Promise<number> => {
    const execId = nextId('out');
    const { task, id, fake } = shim;
    const [fifo, errors] = [join(fake.dir, `${execId}.out`), join(fake.dir, `${execId}.err`)];
    await mustRun('mkfifo', [fifo, errors]);
    // runc's shim wants both streams.
    const other = spawn('cat', [errors], { stdio: 'ignore' });
    const reader = spawn('dd', [`if=${fifo}`, 'of=/dev/null', 'bs=1M'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const counted: Buffer[] = [];
    reader.stderr.on('data', (chunk: Buffer) => counted.push(chunk));
    const ended = new Promise((done) => reader.once('close', done));
    const process = processSpec(['dd', 'if=/dev/zero', 'bs=1M', `count=${mebibytes}`]);
    const spec = {
      typeUrl: 'types.containerd.io/opencontainers/runtime-spec/1/Process',
      value: Buffer.from(JSON.stringify(process)),
    };
    await task.exec({ id, execId, spec, stdout: fifo, stderr: errors });
    const begun = performance.now();
    await task.start({ id, execId }, { timeoutMs: 60_000 });
    await task.wait({ id, execId }, { timeoutMs: 120_000 });
    await ended;
    const seconds = (performance.now() - begun) / 1000;
    await task.delete({ id, execId });
    other.kill('SIGKILL');
    for (const path of [fifo, errors]) await rm(path);
    const bytes = Number(/^(\d+) bytes/m.exec(Buffer.concat(counted).toString())?.[1]);
    if (bytes !== mebibytes << 20) throw new Error(`${bytes} of ${mebibytes << 20} bytes arrived`);
    return bytes / 1e6 / seconds;
  };
  return {
    name: `stdout, ${mebibytes} MiB container to client`,
    unit: 'MB/s',
    peerName: "runc's shim",
    aim: '>= 100 MB/s under TCG',
    rounds,
    ours: () => once(running.ours),
    peer: () => once(running.runc),
  };
}

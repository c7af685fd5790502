// The floor of a boot: the same QEMU, kernel, image and kernel parameters from a bare script, to the agent's first byte.
import { spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';
import { Connection, createClient } from 'ttrpc-ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';
import { HealthService } from '../../src/gen/agent.ts';

/** The parts of a running VM's command line that the bare one shares. */
export interface BareVm {
  readonly hypervisor: string;
  readonly machine: string;
  readonly accel: string;
  readonly cpu: string;
  readonly memory: string;
  readonly kernel: string;
  readonly append: string;
  readonly image: string;
}

/** Reads them from the arguments of a QEMU that our shim has started. Throws when they do not look as expected. */
export function bareVmOf(argv: readonly string[]): BareVm {
  const after = (option: string): string => {
    const value = argv[argv.indexOf(option) + 1];
    if (!argv.includes(option) || value === undefined) throw new Error(`QEMU was started without ${option}`);
    return value;
  };
  const image = /"filename":"([^"]+)"/.exec(
    argv.find((word) => word.includes('"node-name":"image"')) ?? '',
  )?.[1];
  if (image === undefined) throw new Error('QEMU was started without an image');
  const machine = after('-machine').replace(/,memory-backend=\w+/, '');
  const shared = {
    machine,
    accel: after('-accel'),
    cpu: after('-cpu'),
    memory: after('-m'),
    kernel: after('-kernel'),
    append: after('-append'),
  };
  return { hypervisor: argv[0] ?? 'qemu-system-x86_64', image, ...shared };
}

/** A VM with its image, and a port that is fd 3. */
export function bareArgv(vm: BareVm): string[] {
  return [
    vm.hypervisor,
    ...['-no-user-config', '-nodefaults', '-display', 'none', '-no-reboot'],
    ...['-machine', vm.machine, '-accel', vm.accel, '-cpu', vm.cpu],
    ...['-m', vm.memory, '-smp', '1', '-kernel', vm.kernel, '-append', vm.append],
    ...['-blockdev', `driver=file,node-name=image,filename=${vm.image},read-only=on,locking=off`],
    ...['-device', 'virtio-blk-pci,drive=image', '-device', 'virtio-rng-pci', '-serial', 'null'],
    ...['-chardev', 'socket,id=agent,fd=3', '-device', 'virtio-serial-pci'],
    ...['-device', 'virtserialport,chardev=agent,name=org.bulkhead.agent.0'],
  ];
}

/** Milliseconds from exec to the first byte that the agent sends. The VM is killed afterwards. */
export async function bareBoot(vm: BareVm): Promise<number> {
  const [file = '', ...args] = bareArgv(vm);
  const started = performance.now();
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
  const errors: Buffer[] = [];
  child.stderr?.on('data', (chunk: Buffer) => errors.push(chunk));
  const gone = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) =>
      reject(new Error(`QEMU ended with ${code}: ${Buffer.concat(errors).toString().slice(0, 500)}`)),
    );
  });
  gone.catch(() => undefined);
  try {
    const agent = child.stdio[3] as Duplex;
    const connection = new Connection(agent);
    const answer = createClient(HealthService, connection).check({}, { timeoutMs: 60_000 });
    await within('answer of the agent', 60_000, Promise.race([answer, gone]));
    return performance.now() - started;
  } finally {
    child.kill('SIGKILL');
    await waitFor('end of QEMU', () => child.exitCode !== null || child.signalCode !== null, 5_000).catch(
      () => undefined,
    );
  }
}

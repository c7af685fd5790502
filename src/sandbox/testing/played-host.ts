/**
 * A host for sandboxes of played VMs, for tests: folders, mounts, control groups and the network namespace are real, so
 * that what is left can be looked for. Not shipped.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { type Config, loadConfig } from '../../config/config.ts';
import { isWithin, readMountinfo } from '../../host/mountinfo.ts';
import type { OwnCgroup } from '../../host/own-cgroup.ts';
import type { Spec } from '../../oci/spec.ts';
import type { VmSpec } from '../../vm/hypervisor.ts';
import type { BootRequest, CreateContainer, SandboxContext } from '../request.ts';
import type { TaskEvent } from '../task-event.ts';
import { PlayedGuest } from './played-guest.ts';
import { label, PlayedIo } from './played-io.ts';
import { PlayedVm } from './played-vm.ts';

const NO_IO = { stdin: '', stdout: '', stderr: '', terminal: false };
/** What must not wait for the guest is seen to, for it would wait longer than a test may take. */
const CONFIG = `
[rootfs]
disk_size_mib = 300
[timeouts]
boot_ms = 600000
request_ms = 600000
drain_ms = 1000
stop_ms = 200
`;

// Resolved once in each process, when it is first asked for.
const top = mkdtempSync(join(tmpdir(), 'bulkhead-unit-'));
process.env.BULKHEAD_STATE = join(top, 'state');
process.env.BULKHEAD_CONFIG = join(top, 'config.toml');
let count = 0;
let holder: ChildProcess | undefined;
let config: Config;

/** Call it once in a test file that has played hosts. */
export function usePlayedHosts(): void {
  before(async () => {
    writeFileSync(process.env.BULKHEAD_CONFIG!, CONFIG);
    config = await loadConfig();
    mkdirSync(join(top, 'rootfs'));
    holder = spawn('unshare', ['--net', 'sh', '-c', 'echo; exec sleep 1000'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await once(holder.stdout!, 'data');
  });
  after(() => {
    holder?.kill();
    // Of tests that have failed.
    for (const point of mountPoints(top).reverse()) execFileSync('umount', ['-l', point]);
    rmSync(top, { recursive: true });
  });
}

const mountPoints = (dir: string): string[] =>
  readMountinfo().flatMap(({ mountPoint }) => (isWithin(dir, mountPoint) ? [mountPoint] : []));

export class PlayedHost {
  readonly guest = new PlayedGuest();
  /** All that were started. */
  readonly vms: PlayedVm[] = [];
  readonly ios: PlayedIo[] = [];
  /** Of containerd, as `label` writes them. */
  readonly events: string[] = [];
  readonly log: string[] = [];
  readonly context: SandboxContext;
  /** What happens before a VM runs. */
  beforeStart: (spec: VmSpec, signal: AbortSignal) => Promise<void> = async () => {};
  /** What happens to one that does. */
  onVm: (vm: PlayedVm) => void = () => {};
  readonly #namespace: string;
  #isJoined = false;

  /** @param namespace of its sandboxes; of its own unless told, so that a test that has failed spoils no other. */
  constructor(namespace = `unit-${process.pid}-${++count}`) {
    this.#namespace = namespace;
    this.context = {
      namespace,
      socket: join(top, 'socket'),
      cgroup: {
        join: async () => {
          this.#isJoined = true;
        },
        leave: async () => {
          this.#isJoined = false;
        },
        letGo: async () => {},
        letGoOfOrphans: async () => {},
      } as unknown as OwnCgroup,
      log: (_level, message, fields) => void this.log.push(`${message} ${JSON.stringify(fields)}`),
      emit: (event: TaskEvent) => void this.events.push(label(event)),
      startVm: async (spec, signal) => {
        await this.beforeStart(spec, signal);
        signal.throwIfAborted();
        const vm = new PlayedVm(spec, this.guest, holder!.pid!);
        this.vms.push(vm);
        this.onVm(vm);
        return vm;
      },
    };
  }

  /** The one that was started last. */
  get vm(): PlayedVm {
    return this.vms.at(-1)!;
  }

  /** A folder of its own. */
  folder(name: string): string {
    const dir = join(top, this.#namespace, name);
    mkdirSync(dir, { recursive: true });
    return dir;
  }

  /** A container whose root is a folder of the host. */
  container(id: string, over: Partial<CreateContainer> = {}): CreateContainer {
    return {
      id,
      bundle: this.folder(`bundle-${id}`),
      spec: specOf(),
      rootfs: [],
      paths: NO_IO,
      openIo: async () => {
        const io = new PlayedIo();
        this.ios.push(io);
        return io;
      },
      ...over,
    };
  }

  /** One whose root is on a disk of its own. */
  containerOnDisk(id: string): CreateContainer {
    const [upper, work] = ['upper', 'work'].map((name) => this.folder(`${id}/${name}`));
    const options = [`lowerdir=${join(top, 'rootfs')}`, `upperdir=${upper}`, `workdir=${work}`];
    return this.container(id, { rootfs: [{ type: 'overlay', source: 'overlay', target: '', options }] });
  }

  bootRequest(first: CreateContainer, { pod = true, disk = false } = {}): BootRequest {
    const rootfs = { ...config.rootfs, mode: disk ? ('disk' as const) : ('shared' as const) };
    return { first, config: { ...config, rootfs }, pod };
  }

  /** A stranger in the place of a mount, that nobody may remove. @returns what makes it leave. */
  occupy(mountPoint: string): () => void {
    execFileSync('umount', [mountPoint]);
    writeFileSync(join(mountPoint, 'precious'), '');
    return () => rmSync(join(mountPoint, 'precious'));
  }

  /** What sandboxes have on the host now, one line each. */
  left(): string[] {
    const state = process.env.BULKHEAD_STATE!;
    const dir = join(state, this.#namespace);
    return [
      ...globSync(`{.users/*,${this.#namespace}/**}`, { cwd: state })
        .filter(
          (path) =>
            !path.startsWith('.users/') || readlinkSync(join(state, path)).startsWith(`${this.#namespace}/`),
        )
        .map((path) => `state ${path}`),
      ...mountPoints(dir).map((point) => `mount ${point}`),
      ...globSync(`/sys/fs/cgroup/{,*/}bulkhead/bulkhead-${this.#namespace}:*`),
      ...this.vms.filter(({ isRunning }) => isRunning).map(() => 'a VM'),
      ...this.ios.filter(({ closed }) => !closed).map(() => 'open streams'),
      ...(this.#isJoined ? ['the shim in its control group'] : []),
    ];
  }
}

export function specOf(over: Partial<Spec> = {}): Spec {
  return {
    process: { args: ['sh'], cwd: '/' },
    root: { path: join(top, 'rootfs') },
    linux: { namespaces: [{ type: 'network' }, { type: 'pid' }] },
    ...over,
  };
}

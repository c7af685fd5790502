// Where files are measured: containers of ours, one of runc's on the same file system of the host, and a bare QEMU.
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '../../scripts/stand/command.ts';
import { unmountBelow } from '../../scripts/stand/mounts.ts';
import { scratchDir } from '../../scripts/stand/paths.ts';
import { bulkheadRuntime, runcRuntime, runtimeOf } from '../../scripts/stand/runtime.ts';
import { guestOverlay } from '../../src/sandbox/root/root-parts.ts';
import { FakeContainerd, type Shim } from '../support/fake-containerd.ts';
import { containerSpec, type Spec } from '../support/spec.ts';
import { BareGuest } from './bare-guest.ts';
import { COPY_DATA, makeExtras } from './file-programs.ts';
import { type FileSide, type FileSize, SQL_INSERTS } from './file-work.ts';
import { programsOf } from './programs.ts';
import { Shell } from './shell.ts';

/** How the pods of ours differ: `rootfs.mode` and `shared_fs.disk_empty_dir`. */
const PODS = {
  shared: {},
  local: { 'io.bulkhead.shared_fs.disk_empty_dir': 'local' },
  disk: { 'io.bulkhead.rootfs.mode': 'disk', 'io.bulkhead.shared_fs.disk_empty_dir': 'disk' },
} as const;
type PodName = keyof typeof PODS;

/** The best device of a bare guest for each kind, and its folder there. */
const BARE = {
  'bare virtio-fs': '/mnt',
  'bare virtio-blk, ext4': '/disk',
  'tmpfs of a bare guest': '/run',
} as const;

/** A disk of a bare guest, with the overlay on it that a root has. */
export const OVERLAY = 'bare virtio-blk, the same overlay';
const OVERLAY_AT = '/root/overlay';

export interface Place {
  readonly name: string;
  readonly pod: PodName;
  /** Of the containers, runc's too. */
  readonly folder: string;
  readonly bare: keyof typeof BARE;
  /** Whether it is an overlay of the guest, which then has a peer of its own. */
  readonly hasOverlay?: boolean;
}

export const PLACES: readonly Place[] = [
  { name: 'root, shared', pod: 'shared', folder: '/mnt', bare: 'bare virtio-fs' },
  { name: 'root, disk', pod: 'disk', folder: '/mnt', bare: 'bare virtio-blk, ext4', hasOverlay: true },
  { name: 'memory emptyDir', pod: 'shared', folder: '/memory', bare: 'tmpfs of a bare guest' },
  { name: 'shared emptyDir', pod: 'shared', folder: '/volume', bare: 'bare virtio-fs' },
  { name: 'local emptyDir', pod: 'local', folder: '/volume', bare: 'bare virtio-fs' },
  { name: 'disk emptyDir', pod: 'disk', folder: '/volume', bare: 'bare virtio-blk, ext4' },
  { name: 'bind', pod: 'shared', folder: '/bind', bare: 'bare virtio-fs' },
];

const DISK_MIB = 4_096;

/** A side, and the folder of a place there. */
export type SideAt = readonly [FileSide, string];

/** In the order of their turns. */
export interface Sides {
  readonly ours: SideAt;
  readonly bare: SideAt;
  readonly overlay?: SideAt;
  readonly runc: SideAt;
}

/** The containers and the bare guest, all running, idle but for one at a time. */
export class FilePlaces {
  readonly #stack = new AsyncDisposableStack();
  readonly #pods = new Map<PodName, FileSide>();
  #runc!: FileSide;
  #bare!: FileSide;

  static async start(size: FileSize): Promise<FilePlaces> {
    const places = new FilePlaces();
    try {
      await places.#start(size);
      return places;
    } catch (error) {
      await places.stop();
      throw error;
    }
  }

  sides({ pod, folder, bare, hasOverlay }: Place): Sides {
    const ours = this.#pods.get(pod);
    if (ours === undefined) throw new Error(`no pod ${pod}`);
    return {
      ours: [ours, folder],
      bare: [this.#bare, BARE[bare]],
      ...(hasOverlay === true ? { overlay: [this.#bare, `${OVERLAY_AT}${folder}`] } : {}),
      runc: [this.#runc, folder],
    };
  }

  async stop(): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #start(size: FileSize): Promise<void> {
    const dir = await scratchDir('files');
    this.#stack.defer(async () => {
      await unmountBelow(dir);
      await rm(dir, { recursive: true, force: true });
    });
    const config = join(dir, 'config.toml');
    const keys = ['shared_fs.disk_empty_dir', 'rootfs.mode', 'rootfs.disk_size_mib'];
    writeFileSync(config, `[annotations]\nallow = ${JSON.stringify(keys)}\n`);
    const extras = join(dir, 'extras');
    await makeExtras(extras, { ...size, inserts: SQL_INSERTS });

    const ours = await this.#fake(bulkheadRuntime, { BULKHEAD_CONFIG: config }, extras);
    const runc = await this.#fake(runcRuntime, {}, extras);
    for (const name of ['shared', 'local', 'disk'] as const) {
      const annotations = { ...PODS[name], 'io.bulkhead.rootfs.disk_size_mib': String(DISK_MIB) };
      this.#pods.set(name, await this.#open(ours, name, dir, annotations));
    }
    this.#runc = await this.#open(runc, 'host', dir, {});
    const programs = programsOf(ours.processes(), idOf('shared'));
    const bare = await BareGuest.start(programs, { diskMib: DISK_MIB, extras });
    this.#stack.defer(() => bare.stop());
    this.#bare = await ready({ shell: bare.shell, isGuest: true });
    const options = ['lowerdir=/,upperdir=/disk/upper,workdir=/disk/work', ...overlayOptions()].join(',');
    await bare.shell.run(
      `set -e; mkdir /disk/upper /disk/work ${OVERLAY_AT}; mount -t overlay -o ${options} overlay ${OVERLAY_AT}`,
    );
  }

  async #fake(runtime: string, env: NodeJS.ProcessEnv, extras: string): Promise<FakeContainerd> {
    const fake = await FakeContainerd.start(runtimeOf(runtime), env);
    this.#stack.defer(() => fake.stop());
    cpSync(extras, join(fake.dir, 'image'), { recursive: true, verbatimSymlinks: true });
    return fake;
  }

  async #open(
    fake: FakeContainerd,
    name: string,
    dir: string,
    annotations: Record<string, string>,
  ): Promise<FileSide> {
    const id = idOf(name);
    const mounts = await makeVolumes(join(dir, name));
    const shim: Shim = await fake.shim(id, { ...shellSpec(`/${fake.namespace}/${id}`, mounts), annotations });
    this.#stack.defer(() => shim.remove());
    const shell = new Shell(await shim.run({ stdin: true }));
    return await ready({ shell, isGuest: fake.runtime.isVm });
  }
}

const idOf = (pod: string): string => `files-${pod}`;

/** How the overlay of a root of ours is made, without its folders. */
function overlayOptions(): string[] {
  const [, overlay] = guestOverlay(
    '',
    '',
    { path: '', readOnly: false },
    { mode: 0, uid: 0, gid: 0 },
  ).storages;
  return (overlay?.options ?? []).filter((option) => option.endsWith('=on'));
}

/** Source of each mount of a container, by its name: an emptyDir of each medium, and a folder that is none. */
async function makeVolumes(dir: string): Promise<Record<'memory' | 'volume' | 'bind', string>> {
  const emptyDirs = join(dir, 'volumes', 'kubernetes.io~empty-dir');
  const sources = {
    memory: join(emptyDirs, 'memory'),
    volume: join(emptyDirs, 'volume'),
    bind: join(dir, 'bind'),
  };
  for (const source of Object.values(sources)) mkdirSync(source, { recursive: true, mode: 0o777 });
  await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=600m', 'tmpfs', sources.memory]);
  return sources;
}

/** What is read by the way lies in memory. */
async function ready(side: FileSide): Promise<FileSide> {
  await side.shell.run(COPY_DATA);
  return side;
}

/** A container that is a shell, and may drop the caches of its kernel. */
function shellSpec(cgroup: string, sources: Readonly<Record<string, string>>): Spec {
  const spec = containerSpec(['sh'], cgroup);
  const binds = Object.entries(sources).map(([name, source]) => ({
    ...{ destination: `/${name}`, type: 'bind', source, options: ['rbind', 'rw'] },
  }));
  return {
    ...spec,
    mounts: [...spec.mounts, ...binds],
    linux: { ...spec.linux, readonlyPaths: [] },
  };
}

// Measurements of files in a container, on its root and on each kind of emptyDir, against the same in a bare QEMU whose
// root is virtio-fs, and against runc's container on the same folder of the host. The programs are busybox's dd and sh.
//
// Nothing is synced: with each side's default the data is in the host's page cache (or in memory) when a write is done, and
// the disk, which is the same for all, stays out of it. Guests read with an empty cache of their own.
import { mkdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '../support/command.ts';
import { FakeContainerd, type Shim } from '../support/fake-containerd.ts';
import { unmountBelow } from '../support/mounts.ts';
import { scratchDir } from '../support/paths.ts';
import { bulkheadRuntime, runcRuntime, runtimeOf } from '../support/runtime.ts';
import { containerSpec, type Spec } from '../support/spec.ts';
import { BareGuest } from './bare-guest.ts';
import type { Measure, MeasureGroup } from './measure.ts';
import { programsOf } from './programs.ts';
import { Shell } from './shell.ts';

/** Where the data is; `local` is a disk emptyDir with `shared_fs.disk_empty_dir = "local"`. */
const KINDS = ['root', 'memory emptyDir', 'shared emptyDir', 'local emptyDir'] as const;
type Kind = (typeof KINDS)[number];

/** Folders in the containers; the bare guest and runc's root have their own below /mnt. */
const FOLDERS: Readonly<Record<Kind, string>> = {
  root: '/mnt',
  'memory emptyDir': '/memory',
  'shared emptyDir': '/disk',
  'local emptyDir': '/disk',
};

export interface FileSize {
  readonly rounds: number;
  readonly mebibytes: number;
  /** Small files that one sample makes. */
  readonly files: number;
}

interface Side {
  readonly shell: Shell;
  /** A guest has a page cache of its own, which reading must not find full. */
  readonly isGuest: boolean;
}

export function fileMeasures({ rounds, mebibytes, files }: FileSize): MeasureGroup {
  let sandboxes: Promise<Sandboxes> | undefined;
  const opened = (): Promise<Sandboxes> => {
    sandboxes ??= Sandboxes.start();
    return sandboxes;
  };
  const make = (dir: string): string => `dd if=/dev/zero of=${dir}/data bs=1M count=${mebibytes}`;
  const megabytes = (ms: number): number => (mebibytes << 20) / 1e3 / ms;

  const operations = {
    write: async ({ shell }: Side, dir: string) => megabytes(await shell.run(make(dir))),
    read: async ({ shell, isGuest }: Side, dir: string) => {
      await shell.run(`${make(dir)}${isGuest ? '; echo 3 >/proc/sys/vm/drop_caches' : ''}`);
      return megabytes(await shell.run(`dd if=${dir}/data of=/dev/null bs=1M`));
    },
    create: async ({ shell }: Side, dir: string) => {
      const loop = `i=0; while [ $i -lt ${files} ]; do echo text >${dir}/$i; i=$((i+1)); done`;
      return files / ((await shell.run(loop)) / 1000);
    },
  };
  const titles = {
    write: `write ${mebibytes} MiB`,
    read: `read ${mebibytes} MiB`,
    create: `create ${files} small files`,
  };
  const measure = (kind: Kind, operation: keyof typeof operations): Measure => {
    const once = async (side: Side, folder: string): Promise<number> => {
      const dir = `${folder}/bench`;
      await side.shell.run(`mkdir ${dir}`);
      try {
        return await operations[operation](side, dir);
      } finally {
        await side.shell.run(`rm -r ${dir}`);
      }
    };
    return {
      name: `files, ${kind}: ${titles[operation]}`,
      unit: operation === 'create' ? '1/s' : 'MB/s',
      peerName: 'bare virtio-fs',
      rounds,
      setup: async () => void (await opened()),
      ours: async () => once((await opened()).ours(kind), FOLDERS[kind]),
      peer: async () => once((await opened()).bare, '/mnt'),
      also: {
        name: 'runc on the host',
        sample: async () => once((await opened()).runc, FOLDERS[kind]),
      },
    };
  };
  const names = ['write', 'read', 'create'] as const;
  const measures = KINDS.flatMap((kind) => names.map((name) => measure(kind, name)));
  return { measures, close: async () => await (await sandboxes?.catch(() => undefined))?.stop() };
}

/** Two sandboxes of ours (they differ in where a disk emptyDir is), a container of runc's, a bare guest. */
class Sandboxes {
  readonly #stack = new AsyncDisposableStack();
  #shared!: Side;
  #local!: Side;
  runc!: Side;
  bare!: Side;

  static async start(): Promise<Sandboxes> {
    const sandboxes = new Sandboxes();
    try {
      await sandboxes.#start();
      return sandboxes;
    } catch (error) {
      await sandboxes.stop();
      throw error;
    }
  }

  ours(kind: Kind): Side {
    return kind === 'local emptyDir' ? this.#local : this.#shared;
  }

  async stop(): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #start(): Promise<void> {
    const dir = await scratchDir('files');
    this.#stack.defer(async () => {
      await unmountBelow(dir);
      await rm(dir, { recursive: true, force: true });
    });
    const config = join(dir, 'config.toml');
    writeFileSync(config, '[annotations]\nallow = ["shared_fs.disk_empty_dir"]\n');
    const volumes = join(dir, 'volumes', 'kubernetes.io~empty-dir');
    for (const name of ['memory', 'disk']) mkdirSync(join(volumes, name), { recursive: true, mode: 0o777 });
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=600m', 'tmpfs', join(volumes, 'memory')]);

    const ours = await this.#fake(bulkheadRuntime, { BULKHEAD_CONFIG: config });
    const runc = await this.#fake(runcRuntime, {});
    const shared = await this.#open(ours, 'shared', volumes, {});
    this.#shared = shared.side;
    const local = { 'io.bulkhead.shared_fs.disk_empty_dir': 'local' };
    this.#local = (await this.#open(ours, 'local', volumes, local)).side;
    this.runc = (await this.#open(runc, 'host', volumes, {})).side;
    const bare = await BareGuest.start(programsOf(ours.processes(), shared.shim.id));
    this.#stack.defer(() => bare.stop());
    this.bare = { shell: bare.shell, isGuest: true };
  }

  async #fake(runtime: string, env: NodeJS.ProcessEnv): Promise<FakeContainerd> {
    const fake = await FakeContainerd.start(runtimeOf(runtime), env);
    this.#stack.defer(() => fake.stop());
    return fake;
  }

  async #open(
    fake: FakeContainerd,
    name: string,
    volumes: string,
    annotations: Record<string, string>,
  ): Promise<{ shim: Shim; side: Side }> {
    const id = `files-${name}`;
    const shim = await fake.shim(id, { ...shellSpec(`/${fake.namespace}/${id}`, volumes), annotations });
    this.#stack.defer(() => shim.remove());
    const shell = new Shell(await shim.run({ stdin: true }));
    await shell.run('true');
    return { shim, side: { shell, isGuest: fake.runtime.isVm } };
  }
}

/** A container that is a shell, may drop the caches of its kernel, and has an emptyDir of each medium. */
function shellSpec(cgroup: string, volumes: string): Spec {
  const spec = containerSpec(['sh'], cgroup);
  const bind = (name: string) => ({
    destination: `/${name}`,
    type: 'bind',
    source: join(volumes, name),
    options: ['rbind', 'rw'],
  });
  return {
    ...spec,
    mounts: [...spec.mounts, bind('memory'), bind('disk')],
    linux: { ...spec.linux, readonlyPaths: [] },
  };
}

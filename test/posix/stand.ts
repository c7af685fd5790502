// Containers of ours and of runc that have each kind of file system side by side, all of them on an ext4 of their own,
// so that what is compared does not depend on the machine.
import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { mustRun } from '../../scripts/stand/command.ts';
import { unmountBelow } from '../../scripts/stand/mounts.ts';
import { scratchDir } from '../../scripts/stand/paths.ts';
import { bulkheadRuntime, runcRuntime, runtimeOf } from '../../scripts/stand/runtime.ts';
import { within } from '../../scripts/stand/wait.ts';
import { FakeContainerd, type Shim } from '../support/fake-containerd.ts';
import { containerSpec, defaultCapabilities, processSpec, type Spec } from '../support/spec.ts';
import { buildPrograms } from './programs.ts';

/** Kinds of file systems, as the docs call them, and where a container finds them. */
export const places = {
  root: '/work',
  bind: '/bind',
  'read-only bind': '/read-only',
  'disk emptyDir': '/disk',
  'local emptyDir': '/disk',
  'memory emptyDir': '/memory',
  'disk root': '/work',
  'emptyDir on a disk': '/disk',
} as const;
export type Place = keyof typeof places;

export interface Outcome {
  readonly status: number;
  readonly text: string;
}

/** Runs a program in a container. */
export type Side = (args: readonly string[], timeoutMs: number) => Promise<Outcome>;

const DISK_SIZE = '1G';
const config =
  '[annotations]\nallow = ["shared_fs.disk_empty_dir", "rootfs.mode"]\n[rootfs]\ndisk_size_mib = 512\n';
/** What our containers are told apart by; the first one has everything as it is by default. */
const annotations = {
  shared: {},
  local: { 'io.bulkhead.shared_fs.disk_empty_dir': 'local' },
  disks: { 'io.bulkhead.shared_fs.disk_empty_dir': 'disk', 'io.bulkhead.rootfs.mode': 'disk' },
  runc: {},
} as const;
type Name = keyof typeof annotations;

function nameOf(place: Place): Name {
  if (place === 'local emptyDir') return 'local';
  return place === 'disk root' || place === 'emptyDir on a disk' ? 'disks' : 'shared';
}
const pjdfstestConfig = `[features]
posix_fallocate = {}
rename_ctime = {}
stat_st_birthtime = {}
utime_now = {}
utimensat = {}
[settings]
naptime = 0.02
[dummy_auth]
entries = [["nobody", "nobody"], ["tests", "tests"]]
`;

export class Stand {
  readonly #stack = new AsyncDisposableStack();
  readonly #open = new Map<Name, Promise<Side>>();
  #dir!: string;
  #stressNg: string | undefined;

  /** @param stressNg folder of stress-ng, if that is to be asked as well. */
  static async start(stressNg?: string): Promise<Stand> {
    const stand = new Stand();
    stand.#stressNg = stressNg;
    try {
      const programs = await buildPrograms();
      stand.#dir = await scratchDir('posix');
      stand.#stack.defer(async () => {
        await unmountBelow(stand.#dir);
        rmSync(stand.#dir, { recursive: true, force: true });
      });
      const disk = join(stand.#dir, 'disk');
      const image = join(stand.#dir, 'ext4');
      mkdirSync(disk);
      writeFileSync(image, '');
      await mustRun('truncate', ['-s', DISK_SIZE, image]);
      await mustRun('mkfs.ext4', ['-q', '-F', image]);
      await mustRun('mount', ['-o', 'loop', image, disk]);
      writeFileSync(join(stand.#dir, 'config.toml'), config);
      mkdirSync(join(stand.#dir, 'bin'));
      for (const [name, path] of Object.entries(programs)) copyFileSync(path, join(stand.#dir, 'bin', name));
      return stand;
    } catch (error) {
      await stand.stop();
      throw error;
    }
  }

  /** Ours and runc's container that has the place. */
  sides(place: Place): Promise<{ ours: Side; runc: Side }> {
    const ours = this.#side(nameOf(place), bulkheadRuntime);
    const runc = this.#side('runc', runcRuntime);
    return Promise.all([ours, runc]).then(([a, b]) => ({ ours: a, runc: b }));
  }

  async stop(): Promise<void> {
    await this.#stack.disposeAsync();
  }

  #side(name: Name, runtime: string): Promise<Side> {
    let side = this.#open.get(name);
    if (side === undefined) {
      side = this.#start(name, runtime);
      this.#open.set(name, side);
    }
    return side;
  }

  async #start(name: Name, runtime: string): Promise<Side> {
    const fake = await FakeContainerd.start(runtimeOf(runtime), {
      BULKHEAD_CONFIG: join(this.#dir, 'config.toml'),
    });
    this.#stack.defer(() => fake.stop());
    const disk = join(this.#dir, 'disk', name);
    const empty = join(disk, 'kubernetes.io~empty-dir');
    const [upper, image] = [join(fake.dir, 'o'), join(fake.dir, 'image')];
    for (const dir of [
      upper,
      join(disk, 'o'),
      join(disk, 'bind'),
      join(disk, 'ro'),
      join(empty, 'disk'),
      join(empty, 'memory'),
    ])
      mkdirSync(dir, { recursive: true });
    for (const dir of [join(disk, 'bind'), join(empty, 'disk'), join(image, 'work')]) {
      mkdirSync(dir, { recursive: true });
      chmodSync(dir, 0o777);
    }
    await mustRun('mount', ['--bind', join(disk, 'o'), upper]);
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=128m,mode=777', 'tmpfs', join(empty, 'memory')]);
    writeFileSync(join(disk, 'ro', 'file'), 'there\n');
    writeFileSync(join(image, 'etc/pjdfstest.toml'), pjdfstestConfig);
    appendFileSync(
      join(image, 'etc/passwd'),
      'nobody:x:65534:65534::/:/bin/sh\ntests:x:1001:1001::/:/bin/sh\n',
    );
    appendFileSync(join(image, 'etc/group'), 'nobody:x:65534:\ntests:x:1001:\n');
    const id = `posix-${name}`;
    const shim = await fake.shim(id, this.#spec(id, fake.namespace, name, disk));
    this.#stack.defer(() => shim.remove());
    await shim.run();
    if (name === 'disks') {
      for (const file of [
        join(upper, id, 'upper/bulkhead-root-disk.ext4'),
        join(empty, 'disk/bulkhead-volume-disk.ext4'),
      ])
        assert.ok(existsSync(file), `${file}: a place is what it is called`);
    }
    return (args, timeoutMs) => execIn(shim, args, timeoutMs);
  }

  #spec(id: string, namespace: string, name: Name, disk: string): Spec {
    const spec = containerSpec(['sleep', '100000'], `/${namespace}/${id}`);
    const bind = (destination: string, source: string, ...options: string[]) => ({
      destination,
      type: 'bind',
      source,
      options: ['rbind', ...options],
    });
    const empty = join(disk, 'kubernetes.io~empty-dir');
    spec.mounts.push(
      bind(places.bind, join(disk, 'bind')),
      bind(places['read-only bind'], join(disk, 'ro'), 'ro'),
      bind(places['disk emptyDir'], join(empty, 'disk')),
      bind(places['memory emptyDir'], join(empty, 'memory')),
      bind('/programs', join(this.#dir, 'bin'), 'ro'),
      { destination: '/second', type: 'tmpfs', source: 'tmpfs', options: [] },
    );
    if (this.#stressNg !== undefined) spec.mounts.push(bind('/stress-ng', this.#stressNg, 'ro'));
    const nodes = ['b', 'c'].map((type) => ({ allow: true, type, access: 'm' }));
    const usable = { allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' };
    spec.linux.resources = { devices: [{ allow: false, access: 'rwm' }, ...nodes, usable] };
    return { ...spec, annotations: annotations[name] };
  }
}

async function execIn(shim: Shim, args: readonly string[], timeoutMs: number): Promise<Outcome> {
  const all = [...defaultCapabilities, 'CAP_SYS_ADMIN'];
  const capabilities = { bounding: all, effective: all, permitted: all, inheritable: [], ambient: [] };
  const { execId, io } = await shim.exec(processSpec(args, { capabilities, noNewPrivileges: false }));
  const exit = await within(args.join(' '), timeoutMs, shim.task.wait({ id: shim.id, execId }));
  await io.ended();
  await shim.task.delete({ id: shim.id, execId });
  return { status: exit.exitStatus, text: io.output + io.errors };
}

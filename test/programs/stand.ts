// Containers with a Debian root file system, in which Debian's programs do what they do on any machine.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchDir } from '../../scripts/stand/paths.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { within } from '../../scripts/stand/wait.ts';
import type { Mount } from '../../src/gen/types.ts';
import { FakeContainerd, type Shim } from '../support/fake-containerd.ts';
import { containerSpec, defaultCapabilities, processSpec, type Spec } from '../support/spec.ts';

/** Where a program's files are: in the container's root, which `rootfs.mode` puts here or there, or in a bind. */
export const places = { 'shared root': '/work', 'disk root': '/work', bind: '/bind' } as const;
export type Place = keyof typeof places;

const MEMORY_BYTES = 1536 << 20;
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** What the programs need of what `--privileged` brings. */
const MORE_CAPABILITIES = ['SYS_ADMIN', 'NET_ADMIN', 'SYS_RESOURCE', 'SYS_PTRACE'].map(
  (name) => `CAP_${name}`,
);

export class Programs {
  readonly #fake: FakeContainerd;
  readonly #dir: string;
  readonly #root: string;
  readonly #shims = new Map<string, Promise<Shim>>();

  private constructor(fake: FakeContainerd, dir: string, root: string) {
    this.#fake = fake;
    this.#dir = dir;
    this.#root = root;
  }

  /** @param root the folder of the root file system, which stays as it is. */
  static async start(root: string): Promise<Programs> {
    const dir = await scratchDir('programs');
    cpSync(import.meta.dirname, join(dir, 'programs'), { recursive: true });
    const config = join(dir, 'config.toml');
    writeFileSync(config, '[annotations]\nallow = ["rootfs.mode"]\n');
    const fake = await FakeContainerd.start(runtime, { BULKHEAD_CONFIG: config });
    return new Programs(fake, dir, root);
  }

  /**
   * Runs `<name>.sh` or `<name>.py` in a folder of its own.
   * @throws AssertionError with what it printed, unless it ends well.
   */
  async run(file: string, place: Place, options: { privileged?: boolean } = {}): Promise<void> {
    const privileged = options.privileged === true;
    const shim = await this.#shim(place === 'disk root' ? 'disk' : 'shared', privileged);
    const folder = `${places[place]}/${file.replace('.', '-')}`;
    const [interpreter, flags] = file.endsWith('.py') ? ['python3', ''] : ['sh', '-x'];
    const script = `mkdir -p ${folder} && cd ${folder} && exec ${interpreter} ${flags} /programs/${file}`;
    const { execId, io } = await shim.exec(processOf(['sh', '-c', script], privileged));
    const { exitStatus } = await within(file, 280_000, shim.task.wait({ id: shim.id, execId }));
    await io.ended();
    await shim.task.delete({ id: shim.id, execId });
    assert.equal(exitStatus, 0, `${file} in ${place}:\n${(io.output + io.errors).slice(-4_000)}`);
  }

  async stop(): Promise<void> {
    for (const shim of this.#shims.values()) await shim.then((one) => one.remove()).catch(() => undefined);
    await this.#fake.stop();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  /** A container that waits for programs, made when the first one comes. */
  #shim(mode: 'shared' | 'disk', privileged: boolean): Promise<Shim> {
    const id = privileged ? `${mode}-privileged` : mode;
    const shim = this.#shims.get(id) ?? this.#start(id, mode, privileged);
    this.#shims.set(id, shim);
    return shim;
  }

  async #start(id: string, mode: 'shared' | 'disk', privileged: boolean): Promise<Shim> {
    const shim = await this.#fake.shim(id, this.#spec(id, mode, privileged));
    await shim.run({ rootfs: this.#rootfs(id) });
    return shim;
  }

  #spec(id: string, mode: 'shared' | 'disk', privileged: boolean): Spec {
    const spec = containerSpec(['sleep', 'infinity'], `/${this.#fake.namespace}/${id}`);
    const bind = join(this.#dir, 'bind', id);
    mkdirSync(bind, { recursive: true });
    const limited = { ...spec.linux.resources, memory: { limit: MEMORY_BYTES } };
    const binds = [
      {
        destination: '/programs',
        type: 'bind',
        source: join(this.#dir, 'programs'),
        options: ['rbind', 'ro'],
      },
      { destination: '/bind', type: 'bind', source: bind, options: ['rbind'] },
    ];
    const cgroups = { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['nosuid'] };
    const writable = (mount: Spec['mounts'][number]) =>
      mount.destination === '/sys' ? { ...mount, options: ['nosuid', 'noexec', 'nodev'] } : mount;
    const devices = { allow: true, access: 'rwm' };
    return {
      ...spec,
      process: processOf(spec.process.args, privileged),
      mounts: [...(privileged ? [...spec.mounts.map(writable), cgroups] : spec.mounts), ...binds],
      annotations: { 'io.bulkhead.rootfs.mode': mode },
      linux: {
        ...spec.linux,
        resources: privileged ? { ...limited, devices: [devices] } : limited,
        ...(privileged ? { maskedPaths: [], readonlyPaths: [] } : {}),
      },
    };
  }

  #rootfs(id: string): Mount[] {
    const [upper, work] = ['upper', 'work'].map((name) => join(this.#dir, 'root', id, name)) as [
      string,
      string,
    ];
    for (const folder of [upper, work]) mkdirSync(folder, { recursive: true });
    const options = [`lowerdir=${this.#root}`, `upperdir=${upper}`, `workdir=${work}`];
    return [{ type: 'overlay', source: 'overlay', target: '', options }];
  }
}

function processOf(args: readonly string[], privileged: boolean) {
  const capabilities = [...defaultCapabilities, ...(privileged ? MORE_CAPABILITIES : [])];
  return processSpec(args, {
    env: [PATH, 'HOME=/root', 'LC_ALL=C.UTF-8', 'DEBIAN_FRONTEND=noninteractive'],
    noNewPrivileges: false,
    capabilities: {
      ...{ bounding: capabilities, effective: capabilities, permitted: capabilities },
      ...{ inheritable: [], ambient: [] },
    },
  });
}

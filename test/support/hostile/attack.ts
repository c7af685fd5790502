// The attack program (attack.c), built once per machine, and the pod in which it runs as the guest's root.
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mustRun } from '../../../scripts/stand/command.ts';
import { cacheDir } from '../../../scripts/stand/paths.ts';
import { FakeContainerd, type Shim } from '../fake-containerd.ts';
import type { FifoClient } from '../fifo-client.ts';
import { containerSpec, type Mount, type Process, processSpec, type Spec } from '../spec.ts';

/** Where the attacker sees the sandbox's whole share, as the guest's agent does. */
export const shareInGuest = '/mnt/share';

const limit = { timeoutMs: 60_000 };

/** Highest capability of Linux 6.12 is 40. */
const everything = (
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE ' +
  'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN ' +
  'SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE ' +
  'MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
)
  .split(' ')
  .map((name) => `CAP_${name}`);

/** The static program; needs gcc, as the guest's kernel does. */
export async function attackProgram(): Promise<string> {
  const source = join(import.meta.dirname, 'attack.c');
  const hash = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16);
  const program = join(cacheDir, `attack-${hash}`);
  if (existsSync(program)) return program;
  mkdirSync(cacheDir, { recursive: true });
  const draft = `${program}.${process.pid}`;
  await mustRun('gcc', ['-O2', '-static', '-s', '-Wall', '-Werror', '-o', draft, source]);
  renameSync(draft, program);
  return program;
}

/** A played containerd whose containers have the attack program. */
export async function hostileHost(env: NodeJS.ProcessEnv = {}): Promise<FakeContainerd> {
  const fake = await FakeContainerd.start(undefined, env);
  copyFileSync(await attackProgram(), join(fake.dir, 'image', 'attack'));
  return fake;
}

/** A process that may do all in its guest. */
function unlimited(args: readonly string[]): Process {
  const capabilities = {
    ...{ bounding: everything, effective: everything, permitted: everything },
    ...{ inheritable: everything, ambient: [] },
  };
  return processSpec(args, { capabilities, noNewPrivileges: false });
}

/** A privileged container: capabilities, devices, writable /proc/sys and /sys. */
function privileged(spec: Spec): Spec {
  const { maskedPaths: _, readonlyPaths: __, ...linux } = spec.linux;
  const mounts = spec.mounts.map((mount) =>
    mount.destination === '/sys' ? { ...mount, options: ['nosuid', 'noexec', 'nodev'] } : mount,
  );
  const resources = { ...linux.resources, devices: [{ allow: true, access: 'rwm' }] };
  return { ...spec, mounts, process: unlimited(spec.process.args), linux: { ...linux, resources } };
}

export interface PodOptions {
  readonly mounts?: readonly Mount[];
  readonly annotations?: Record<string, string>;
}

/** A sandbox whose own container is the attacker; further containers join its VM. */
export class HostilePod {
  readonly shim: Shim;
  readonly #mounts: readonly Mount[];
  #joined = 0;

  private constructor(shim: Shim, mounts: readonly Mount[]) {
    this.shim = shim;
    this.#mounts = mounts;
  }

  /** Boots it, with the whole share mounted at `shareInGuest`. */
  static async start(fake: FakeContainerd, id: string, options: PodOptions = {}): Promise<HostilePod> {
    const { mounts = [], annotations = {} } = options;
    const base = containerSpec(['sleep', '100000'], `/${fake.namespace}/${id}`);
    const spec = privileged({
      ...base,
      mounts: [...base.mounts, ...mounts],
      annotations: { 'io.kubernetes.cri.container-type': 'sandbox', ...annotations },
    });
    const shim = await fake.shim(id, spec);
    try {
      await shim.run();
      const pod = new HostilePod(shim, mounts);
      await pod.sh(`mkdir -p ${shareInGuest}`);
      await pod.asGuestRoot(`share %P ${shareInGuest}`);
      await pod.sh(`test -e ${shareInGuest}/${id}/rootfs/attack`);
      return pod;
    } catch (error) {
      await shim.remove();
      throw error;
    }
  }

  get id(): string {
    return this.shim.id;
  }

  /**
   * Runs words of the attack program outside of all containers, as root in the namespaces of the guest's first process;
   * `%P` is a process of the attacker's container. Returns when they have ended.
   */
  async asGuestRoot(words: string): Promise<void> {
    const program = `/run/kata-containers/shared/containers/${this.id}/rootfs/attack`;
    await this.sh(`/attack escape ${program} ${words}`);
  }

  /** Starts something in the attacker's container. */
  async launch(...args: string[]): Promise<{ execId: string; io: FifoClient }> {
    return await this.shim.exec(unlimited(args));
  }

  /** A script to its end; gives its output and throws when it fails. */
  async sh(script: string, timeoutMs = 60_000): Promise<string> {
    const { execId, io } = await this.launch('sh', '-c', script);
    const { exitStatus } = await this.shim.task.wait({ id: this.id, execId }, { timeoutMs });
    await this.shim.task.delete({ id: this.id, execId }, limit);
    await io.ended();
    if (exitStatus !== 0) throw new Error(`exit ${exitStatus} of: ${script}\n${io.output}${io.errors}`);
    return io.output;
  }

  /** SIGTERM to a process that was launched; gives what it has printed. */
  async stop({ execId, io }: { execId: string; io: FifoClient }): Promise<string> {
    await this.shim.task.kill({ id: this.id, execId, signal: 15 }, limit);
    await this.shim.task.wait({ id: this.id, execId }, limit);
    await this.shim.task.delete({ id: this.id, execId }, limit);
    await io.ended();
    return io.output;
  }

  /** The ids of the containers that will be created next: easier to guess for this attacker than a kubelet's. */
  nextIds(count: number): string[] {
    return Array.from({ length: count }, (_, index) => `${this.id}-c${this.#joined + 1 + index}`);
  }

  /** Create of a further container; without a command it sleeps. The error of a Create that fails is the result. */
  async join(
    args: readonly string[] = ['sleep', '1000'],
    mounts = this.#mounts,
    resources: Record<string, unknown> = {},
  ): Promise<Joined> {
    const [id = ''] = this.nextIds(1);
    this.#joined++;
    const { fake } = this.shim;
    const base = containerSpec(args, `/${fake.namespace}/${id}`);
    const annotations = {
      'io.kubernetes.cri.container-type': 'container',
      'io.kubernetes.cri.sandbox-id': this.id,
    };
    const linux = { ...base.linux, resources: { ...base.linux.resources, ...resources } };
    const spec = { ...base, mounts: [...base.mounts, ...mounts], annotations, linux };
    const bundle = await fake.bundle(id, spec);
    const rootfs = await fake.rootfs(id);
    const error = await this.shim.task.create({ id, bundle, rootfs }, limit).then(
      () => undefined,
      (cause: Error) => cause,
    );
    return { id, error };
  }

  /** Start of a container that was created, and its end. */
  async runToEnd(id: string): Promise<void> {
    await this.shim.task.start({ id }, limit);
    await this.shim.task.wait({ id }, limit);
  }

  /** Delete of a container that was created or has ended. */
  async leave(id: string): Promise<void> {
    await this.shim.task.delete({ id }, limit);
  }
}

export interface Joined {
  readonly id: string;
  /** Why the container could not be created. */
  readonly error: Error | undefined;
}

/** Asks for the task's state again and again; `stop` gives the longest time that an answer took. */
export function watchAnswers(shim: Shim): { stop(): Promise<number> } {
  let longest = 0;
  let ended = false;
  const watching = (async () => {
    while (!ended) {
      const asked = performance.now();
      await shim.task.state({ id: shim.id }, { timeoutMs: 30_000 });
      longest = Math.max(longest, performance.now() - asked);
      await sleep(20);
    }
  })();
  watching.catch(() => undefined);
  return {
    async stop() {
      ended = true;
      await watching;
      return longest;
    },
  };
}

// Pods as a kubelet makes them: a containerd with CRI, and pods and containers in it with the kubelet's folders.
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { hierarchies, makeCgroup } from '../../scripts/stand/cgroups.ts';
import { Containerd, type ContainerdOptions } from '../../scripts/stand/containerd.ts';
import { imageName, writePauseImage } from '../../scripts/stand/image.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { Cri } from './cri.ts';
import {
  criConfig,
  type Handler,
  type sandboxApiHandler,
  writeCniConfig,
  writeMirror,
} from './cri-config.ts';
import type {
  ContainerConfig,
  ContainerStatus,
  Mount,
  PodSandboxConfig,
  PodSandboxStatus,
  SecurityContext,
} from './cri-types.ts';

/** The handler that this run tests. */
export const testedHandler: Handler = runtime.isVm ? 'bulkhead' : 'runc';

/** Changes to a pod's configuration; `linux` is laid over the default's member by member. */
export type PodOptions = Partial<Omit<PodSandboxConfig, 'metadata'>> & {
  readonly handler?: Handler | typeof sandboxApiHandler;
};

/** A container's configuration without what the helper fills in. */
export type ContainerOptions = Partial<Omit<ContainerConfig, 'linux'>> & {
  readonly mounts?: readonly Mount[];
  readonly security?: SecurityContext;
  readonly resources?: NonNullable<ContainerConfig['linux']>['resources'];
};

export type PodHostOptions = Omit<ContainerdOptions, 'cri' | 'ownNetwork'> & {
  /** Address of a registry in the host's network that all images come from. */
  readonly mirror?: string;
  /** Whether host ports can be reached by 127.0.0.1. */
  readonly fromLoopback?: boolean;
};

/** A machine with containerd and CRI, in a network namespace of its own. */
export class PodHost {
  readonly daemon: Containerd;
  cri: Cri;

  private constructor(daemon: Containerd) {
    this.daemon = daemon;
    this.cri = new Cri(daemon.address);
  }

  static async start(options: PodHostOptions = {}): Promise<PodHost> {
    const { mirror } = options;
    const cri = async (version: string, dir: string) => {
      await writeCniConfig(dir, options.fromLoopback);
      if (mirror !== undefined) await writeMirror(dir, mirror);
      return criConfig(version, dir);
    };
    const daemon = await Containerd.start({ ...options, cri, ownNetwork: true });
    const host = new PodHost(daemon);
    try {
      await daemon.importArchive('pause.tar', writePauseImage);
      await host.waitReady();
      return host;
    } catch (error) {
      await host.stop();
      throw error;
    }
  }

  /** Waits until the runtime and its network are ready and the images are known to CRI. */
  async waitReady(): Promise<void> {
    await waitFor(
      'ready CRI',
      async () => {
        const { status } = await this.cri.call('Status', {}, 2_000);
        const bad = status.conditions.filter((one) => !one.status && one.type.endsWith('Ready'));
        if (bad.length > 0) throw new Error(bad.map((one) => `${one.type}: ${one.message}`).join('; '));
        const { images } = await this.cri.call('ListImages', {}, 2_000);
        return images.flatMap((image) => image.repoTags).length >= 2;
      },
      20_000,
      100,
    );
  }

  /**
   * Runs a pod, in folders like the kubelet's.
   * @param prepare sets limits of the pod's cgroup, as the kubelet does before.
   */
  async pod(options: PodOptions = {}, prepare: (cgroup: string) => void = () => undefined): Promise<Pod> {
    const { handler = testedHandler, linux, ...rest } = options;
    const uid = randomUUID();
    const config: PodSandboxConfig = {
      metadata: { name: `pod-${uid.slice(0, 8)}`, uid, namespace: 'default' },
      hostname: `pod-${uid.slice(0, 8)}`,
      logDirectory: join(this.daemon.dir, 'logs', uid),
      ...rest,
      linux: { cgroupParent: this.#podCgroup(uid), ...linux },
    };
    mkdirSync(join(this.daemon.dir, 'logs', uid), { recursive: true });
    try {
      prepare(config.linux?.cgroupParent ?? '');
      const request = { config, runtimeHandler: handler };
      const { podSandboxId } = await this.cri.call('RunPodSandbox', request, 90_000);
      return new Pod(this, podSandboxId, config);
    } catch (error) {
      await removeCgroup(config);
      throw error;
    }
  }

  /** As the kubelet does, before the pod: a cgroup in every hierarchy. */
  #podCgroup(uid: string): string {
    const name = `/${this.daemon.mark}/pod${uid}`;
    makeCgroup(name);
    return name;
  }

  /** Removes every pod, then the daemon and its folder. */
  async stop(): Promise<void> {
    const { items } = await this.cri.call('ListPodSandbox', {}, 5_000).catch(() => ({ items: [] }));
    await Promise.all(
      items.map(({ id }) =>
        this.cri
          .call('StopPodSandbox', { podSandboxId: id }, 20_000)
          .then(() => this.cri.call('RemovePodSandbox', { podSandboxId: id }, 20_000))
          .catch(() => undefined),
      ),
    );
    this.cri.close();
    await this.daemon.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

export class Pod {
  readonly host: PodHost;
  readonly id: string;
  readonly config: PodSandboxConfig;
  #count = 0;

  constructor(host: PodHost, id: string, config: PodSandboxConfig) {
    this.host = host;
    this.id = id;
    this.config = config;
  }

  get cri(): Cri {
    return this.host.cri;
  }

  async status(): Promise<PodSandboxStatus> {
    return (await this.cri.call('PodSandboxStatus', { podSandboxId: this.id })).status;
  }

  /** Creates a container; without a command it sleeps. */
  async create(options: ContainerOptions = {}): Promise<PodContainer> {
    const { security, resources, mounts, ...rest } = options;
    const name = `c${++this.#count}`;
    const config: ContainerConfig = {
      metadata: { name },
      image: { image: imageName },
      command: ['sleep', '100000'],
      logPath: `${name}.log`,
      ...(mounts === undefined ? {} : { mounts }),
      ...rest,
      linux: {
        resources: { oomScoreAdj: 1000, cpuShares: 102, ...resources },
        securityContext: { namespaceOptions: { pid: 'CONTAINER' }, ...security },
      },
    };
    const { containerId } = await this.cri.call(
      'CreateContainer',
      { podSandboxId: this.id, config, sandboxConfig: this.config },
      30_000,
    );
    return new PodContainer(this, containerId, join(this.config.logDirectory!, config.logPath!));
  }

  /** Creates and starts a container. */
  async run(options: ContainerOptions = {}): Promise<PodContainer> {
    const container = await this.create(options);
    await container.start();
    return container;
  }

  async stop(timeoutMs = 60_000): Promise<void> {
    await this.cri.call('StopPodSandbox', { podSandboxId: this.id }, timeoutMs);
  }

  /** Stops and removes it, and its cgroup as the kubelet does: anything left in that makes this fail. */
  async remove(timeoutMs = 60_000): Promise<void> {
    await this.stop(timeoutMs);
    await this.cri.call('RemovePodSandbox', { podSandboxId: this.id }, timeoutMs);
    await removeCgroup(this.config);
  }

  /** The kubelet's folder of a volume of this pod (not made here). */
  volumePath(plugin: string, name: string): string {
    const { uid } = this.config.metadata;
    return join(this.host.daemon.dir, 'kubelet', 'pods', uid, 'volumes', `kubernetes.io~${plugin}`, name);
  }
}

export interface ExecResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class PodContainer {
  readonly pod: Pod;
  readonly id: string;
  readonly logFile: string;

  constructor(pod: Pod, id: string, logFile: string) {
    this.pod = pod;
    this.id = id;
    this.logFile = logFile;
  }

  get cri(): Cri {
    return this.pod.cri;
  }

  async start(): Promise<void> {
    await this.cri.call('StartContainer', { containerId: this.id }, 30_000);
  }

  async stop(timeout = 0): Promise<void> {
    await this.cri.call('StopContainer', { containerId: this.id, timeout }, (timeout + 40) * 1_000);
  }

  async remove(): Promise<void> {
    await this.cri.call('RemoveContainer', { containerId: this.id });
  }

  async status(): Promise<ContainerStatus> {
    return (await this.cri.call('ContainerStatus', { containerId: this.id })).status;
  }

  /** Waits for its end. */
  async exited(timeoutMs = 30_000): Promise<ContainerStatus> {
    return await waitFor(
      `end of container ${this.id.slice(0, 12)}`,
      async () => {
        const status = await this.status();
        return status.state === 'CONTAINER_EXITED' && status;
      },
      timeoutMs,
      100,
    );
  }

  async exec(cmd: readonly string[], timeout = 30): Promise<ExecResult> {
    const request = { containerId: this.id, cmd, timeout };
    const answer = await this.cri.call('ExecSync', request, (timeout + 15) * 1_000);
    return { code: answer.exitCode, stdout: answer.stdout.toString(), stderr: answer.stderr.toString() };
  }

  /** A shell script that must end with 0; gives its output. */
  async sh(script: string, timeout = 30): Promise<string> {
    const { code, stdout, stderr } = await this.exec(['sh', '-c', script], timeout);
    if (code === 0) return stdout;
    throw new Error(`exit ${code} of: ${script}\n${stdout}\n${stderr}`);
  }

  /** What the container has written so far, as [stream, text] per line of the log file. */
  log(): { readonly stream: string; readonly text: string }[] {
    return readFileSync(this.logFile, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [, stream = '', , ...words] = line.split(' ');
        return { stream, text: words.join(' ') };
      });
  }

  /** The output of both streams, one line per line. */
  output(): string {
    return this.log()
      .map(({ text }) => `${text}\n`)
      .join('');
  }
}

/** Removes a pod's cgroup in every hierarchy; it must have become empty. */
async function removeCgroup(config: PodSandboxConfig): Promise<void> {
  const cgroup = config.linux!.cgroupParent!;
  const remove = (): boolean => {
    for (const dir of hierarchies()) if (existsSync(join(dir, cgroup))) rmdirSync(join(dir, cgroup));
    return true;
  };
  await waitFor('empty cgroup of the pod', remove, 5_000, 50);
}

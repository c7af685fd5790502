// A whole Kubernetes of one node: control plane, kubelet and a private containerd, in a network namespace and a folder of their own.
// There is no kube-proxy, so Services have no addresses that work; nothing here needs one.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCgroup } from '../../scripts/stand/cgroups.ts';
import { describe, mustRun, type RunOptions, type RunResult, run } from '../../scripts/stand/command.ts';
import { Containerd } from '../../scripts/stand/containerd.ts';
import type { ContainerdFlavour } from '../../scripts/stand/fetch-containerd.ts';
import { kubernetesBinaries } from '../../scripts/stand/fetch-kubernetes.ts';
import { writePauseImage } from '../../scripts/stand/image.ts';
import { repoRoot } from '../../scripts/stand/paths.ts';
import type { Process } from '../../scripts/stand/processes.ts';
import { kvmWorks } from '../../scripts/stand/runtime.ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';
import { criConfig, writeCniConfig } from '../support/cri-config.ts';
import {
  type Daemon,
  daemons,
  flagsOf,
  kubectlArgs,
  kubeletRoot,
  nodeAddress,
  nodeName,
  writeSettings,
} from './settings.ts';

/** What the kubelet sets for the whole machine; it gets copies. */
const sysctls = ['vm/overcommit_memory', 'vm/panic_on_oom', 'kernel/panic', 'kernel/panic_on_oops'];
const keySysctls = ['kernel/keys/root_maxkeys', 'kernel/keys/root_maxbytes'];

/** The kubelet has folders of its own whatever it is told: those are empty ones that go with it. Mounts of volumes stay shared. */
const kubeletView = `
for dir in /var/lib /var/log; do mount -t tmpfs tmpfs $dir || exit 125; done
for name in ${[...sysctls, ...keySysctls].join(' ')}; do
  copy=/var/lib/$(echo $name | tr / _)
  cat /proc/sys/$name >$copy && mount --bind $copy /proc/sys/$name || exit 125
done
exec "$@"`;

/** The RuntimeClass as users get it; without KVM with the overhead that it names for that. */
function ourClass(): string {
  const file = readFileSync(join(repoRoot, 'deploy', 'runtimeclass.yaml'), 'utf8');
  const emulated = /Without KVM: (\w+)/.exec(file)![1];
  return kvmWorks() ? file : file.replace(/memory: "\w+"/, `memory: "${emulated}"`);
}

const runcClass = JSON.stringify({
  ...{ apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata: { name: 'runc' }, handler: 'runc' },
});

export class KubeNode {
  readonly containerd: Containerd;
  readonly #bin: string;
  readonly #network: string;
  readonly #children = new Map<Daemon, ChildProcess>();

  private constructor(containerd: Containerd, bin: string, network: string) {
    this.containerd = containerd;
    this.#bin = bin;
    this.#network = network;
  }

  /** A node that is ready, with the test image in it and a RuntimeClass for each handler. On failure nothing is left behind. */
  static async start(flavour: ContainerdFlavour): Promise<KubeNode> {
    const bin = await kubernetesBinaries();
    const network = `bh-kube-${process.pid}`;
    await mustRun('ip', ['netns', 'add', network]);
    let node: KubeNode | undefined;
    try {
      const links = [
        `ip address add ${nodeAddress}/24 dev node0`,
        'ip link set node0 up',
        'ip link set lo up',
      ];
      const route = `ip route add default via ${nodeAddress.replace(/1$/, '2')}`;
      const script = ['ip link add node0 type bridge', ...links, route].join(' && ');
      await mustRun('nsenter', [`--net=/run/netns/${network}`, 'sh', '-c', script]);
      const cri = async (version: string, dir: string) => {
        await writeCniConfig(dir);
        return criConfig(version, dir);
      };
      const containerd = await Containerd.start({ flavour, cri, ownNetwork: `/run/netns/${network}` });
      node = new KubeNode(containerd, bin, network);
      await containerd.importArchive('pause.tar', writePauseImage);
      await node.#begin();
      return node;
    } catch (error) {
      await (node === undefined ? mustRun('ip', ['netns', 'delete', network]) : node.stop());
      throw error;
    }
  }

  get dir(): string {
    return this.containerd.dir;
  }

  async #begin(): Promise<void> {
    const { dir, address, mark } = this.containerd;
    makeCgroup(`/${mark}`);
    writeSettings(dir, address, `/${mark}`);
    const root = kubeletRoot(dir);
    await mustRun('mount', ['--bind', root, root]);
    await mustRun('mount', ['--make-shared', root]);
    for (const daemon of daemons) {
      this.launch(daemon);
      if (daemon === 'kube-apiserver') await this.#answers('API server', ['get', '--raw', '/readyz']);
    }
    await this.ready();
    await this.must(['label', 'node', nodeName, 'bulkhead.io/runtime=true']);
    for (const file of [ourClass(), runcClass]) await this.must(['create', '-f', '-'], { input: file });
    await this.#answers('default service account', ['get', 'serviceaccount', 'default']);
  }

  /** Waits until the kubelet has said that the node is ready. */
  async ready(): Promise<void> {
    await this.#answers('node', ['wait', '--for=condition=Ready', `node/${nodeName}`, '--timeout=60s']);
  }

  /** Starts a program that does not run. */
  launch(daemon: Daemon): void {
    const log = openSync(join(this.dir, `${daemon}.log`), 'a');
    const command = [join(this.#bin, daemon), ...flagsOf(daemon, this.dir, this.containerd.address)];
    const own = ['unshare', '--mount', '--propagation', 'unchanged', 'sh', '-c', kubeletView, 'sh'];
    const argv = [
      ...['--pdeathsig', 'KILL', 'nsenter', `--net=/run/netns/${this.#network}`, '--'],
      ...(daemon === 'kubelet' ? own : []),
      ...command,
    ];
    const stdio = ['ignore', log, log] as const;
    const child = spawn('setpriv', argv, {
      ...{ env: this.containerd.env, stdio: [...stdio], detached: true, cwd: '/' },
    });
    closeSync(log);
    this.#children.set(daemon, child);
  }

  /** Ends a program; returns when it is gone. */
  async end(daemon: Daemon, signal: 'SIGKILL' | 'SIGTERM' = 'SIGTERM'): Promise<void> {
    const child = this.#children.get(daemon);
    this.#children.delete(daemon);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    await within(`end of ${daemon}`, 20_000, gone);
  }

  /** kubectl as an administrator, to be run as it is. */
  kubectlCommand(args: readonly string[]): string[] {
    return this.insideCommand([join(this.#bin, 'kubectl'), ...kubectlArgs(this.dir), ...args]);
  }

  kubectl(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const [program, ...argv] = this.kubectlCommand(args);
    return run(program!, argv, { env: this.containerd.env, ...options });
  }

  /** As `kubectl`; gives its output. An exit other than 0 is an error with what it said. */
  async must(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const result = await this.kubectl(args, options);
    if (result.code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${describe(result)}`);
    return result.stdout;
  }

  /** A program where the pods' addresses can be reached. */
  insideCommand(command: readonly string[]): string[] {
    return ['nsenter', `--net=/run/netns/${this.#network}`, '--', ...command];
  }

  inside(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const [program, ...argv] = this.insideCommand(command);
    return run(program!, argv, { env: this.containerd.env, ...options });
  }

  /** What a program has written. */
  log(daemon: Daemon): string {
    return readFileSync(join(this.dir, `${daemon}.log`), 'utf8');
  }

  /** Processes of pods: those of the node without its own programs and without kubectl. */
  processes(): Process[] {
    const own = [...this.#children.values()].map((child) => child.pid);
    return this.containerd
      .processes()
      .filter((one) => !own.includes(one.pid) && !one.command.includes(this.#bin));
  }

  /** Waits for a program's yes, but not when one that it needs has ended. */
  async #answers(what: string, args: readonly string[]): Promise<void> {
    const ask = async (): Promise<boolean> => {
      const result = await this.kubectl(args, { timeoutMs: 65_000 });
      if (result.code !== 0) throw new Error(describe(result));
      return true;
    };
    await waitFor(what, ask, 120_000, 500).catch((cause: unknown) => {
      const logs = [...this.#children.keys()].map((one) => `--- ${one}\n${this.log(one).slice(-3000)}`);
      throw new Error(`the node does not start: no ${what}\n${logs.join('\n')}`, { cause });
    });
  }

  /** Ends everything, pods first, the way a user would; then by force. */
  async stop(): Promise<void> {
    if (this.#children.has('kubelet')) {
      const all = ['delete', 'pods', '--all', '--all-namespaces', '--grace-period=1', '--timeout=60s'];
      await this.kubectl(all, { timeoutMs: 90_000 }).catch(() => undefined);
    }
    for (const daemon of [...daemons].reverse()) {
      await this.end(daemon).catch(() => this.end(daemon, 'SIGKILL'));
    }
    await this.containerd.stop();
    await mustRun('ip', ['netns', 'delete', this.#network]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

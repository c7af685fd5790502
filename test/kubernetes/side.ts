// One side of the comparison: a namespace of the node whose pods all run with one handler; and pods as kubectl sees them.
import { describe, type RunOptions, type RunResult } from '../../scripts/stand/command.ts';
import { imageName } from '../../scripts/stand/image.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import type { Handler } from '../support/cri-config.ts';
import type { KubeNode } from './node.ts';

/** Objects as Kubernetes has them: what is asked of them here is not worth types of its own. */
// biome-ignore lint/suspicious/noExplicitAny: the API's objects are JSON
export type Json = any;

/** How long a pod may take to be what it should: emulated machines on a busy host. */
const PATIENCE_MS = 120_000;

/** What a behaviour is: it asks one side, and gives its answer in few words. */
export type Behaviour = (side: Side) => Promise<string>;

/** A container of the test image with a shell script; without one it sleeps, and ends at SIGTERM. */
export function container(script?: string, more: Json = {}): Json {
  const command = ['sh', '-c', script ?? 'trap "exit 0" TERM; sleep 100000 & wait'];
  return { name: 'main', image: imageName, imagePullPolicy: 'Never', command, ...more };
}

/** What a behaviour gets: it makes objects in the side's namespace, which are gone afterwards. */
export class Side {
  readonly node: KubeNode;
  readonly handler: Handler;
  readonly #made: string[] = [];
  readonly #name: string;
  readonly #undo: (() => unknown)[] = [];

  /** @param name begins the names of its objects. */
  constructor(node: KubeNode, handler: Handler, name: string) {
    this.node = node;
    this.handler = handler;
    this.#name = name;
  }

  /** A name for an object of this behaviour. */
  name(part: string): string {
    return `${this.#name}-${part}`;
  }

  /** kubectl in the side's namespace, to be run as it is. */
  kubectlCommand(args: readonly string[]): string[] {
    return this.node.kubectlCommand(['--namespace', this.handler, ...args]);
  }

  kubectl(args: readonly string[], options?: RunOptions): Promise<RunResult> {
    return this.node.kubectl(['--namespace', this.handler, ...args], options);
  }

  must(args: readonly string[], options?: RunOptions): Promise<string> {
    return this.node.must(['--namespace', this.handler, ...args], options);
  }

  /** Makes an object. */
  async create(object: Json): Promise<void> {
    this.#made.push(`${object.kind}/${object.metadata.name}`);
    await this.must(['create', '-f', '-'], { input: JSON.stringify(object) });
  }

  /** The template of a pod for this side, as a Deployment or a Job takes it. */
  template(spec: Json, labels: Json = {}): Json {
    return {
      metadata: { labels },
      spec: {
        ...{ runtimeClassName: this.handler, dnsPolicy: 'Default', automountServiceAccountToken: false },
        ...{ terminationGracePeriodSeconds: 5, containers: [container()], ...spec },
      },
    };
  }

  /** Makes a pod; without containers it has one that sleeps. */
  async make(spec: Json = {}, metadata: Json = {}, part = 'pod'): Promise<Pod> {
    const name = this.name(part);
    await this.create({
      ...{ apiVersion: 'v1', kind: 'Pod', ...this.template(spec), metadata: { name, ...metadata } },
    });
    return new Pod(this, name);
  }

  /** Makes a pod and waits until it is ready. */
  async ready(spec: Json = {}, metadata: Json = {}, part = 'pod'): Promise<Pod> {
    const pod = await this.make(spec, metadata, part);
    await pod.ready();
    return pod;
  }

  /** Makes a pod with one container that runs to its end; gives what it wrote. */
  async output(script: string, spec: Json = {}, more: Json = {}): Promise<string> {
    const pod = await this.make({ restartPolicy: 'Never', ...spec, containers: [container(script, more)] });
    await pod.ended();
    return await pod.logs();
  }

  /** A pod that exists. */
  pod(name: string): Pod {
    return new Pod(this, name);
  }

  /** What is to be undone after the behaviour, when its objects are gone. */
  defer(undo: () => unknown): void {
    this.#undo.push(undo);
  }

  /** Removes what was made, and what controllers made of it. */
  async clean(): Promise<void> {
    const args = ['delete', '--ignore-not-found', '--cascade=foreground', '--timeout=90s', ...this.#made];
    const { code, stdout, stderr } =
      this.#made.length === 0
        ? { code: 0, stdout: '', stderr: '' }
        : await this.kubectl(args, { timeoutMs: 100_000 });
    for (const undo of this.#undo.reverse()) await undo();
    if (code !== 0) throw new Error(`${this.handler}: not all can be removed: ${stdout}${stderr}`);
  }
}

export class Pod {
  readonly side: Side;
  readonly name: string;

  constructor(side: Side, name: string) {
    this.side = side;
    this.name = name;
  }

  async get(): Promise<Json> {
    return JSON.parse(await this.side.must(['get', 'pod', this.name, '-o', 'json']));
  }

  /** Asks until the pod is as wanted; on failure its description is in the error. */
  async until<T>(
    what: string,
    look: (pod: Json) => T | undefined | false,
    timeoutMs = PATIENCE_MS,
  ): Promise<T> {
    return await waitFor(what, async () => look(await this.get()), timeoutMs, 300).catch(
      async (cause: unknown) => {
        const { stdout } = await this.side.kubectl(['describe', 'pod', this.name]);
        const events = stdout.slice(stdout.indexOf('Events:'));
        const { status } = await this.get().catch(() => ({ status: 'gone' }));
        throw new Error(`no ${what}\n${JSON.stringify(status)}\n${events}`, { cause });
      },
    );
  }

  async ready(timeoutMs?: number): Promise<void> {
    await this.until('readiness', ({ status }) => isTrue(status, 'Ready'), timeoutMs);
  }

  /** Waits for its end; gives its phase. */
  ended(): Promise<'Succeeded' | 'Failed'> {
    return this.until('end', ({ status }) => ['Succeeded', 'Failed'].includes(status.phase) && status.phase);
  }

  /** The state of a container that has ended, in words: reason and exit code. */
  async end(name = 'main'): Promise<string> {
    return await this.until(`end of ${name}`, ({ status }) => {
      const end = statusOf(status, name)?.state?.terminated;
      return end && `${end.reason} ${end.exitCode}`;
    });
  }

  exec(
    command: readonly string[],
    options?: RunOptions & { readonly flags?: readonly string[] },
  ): Promise<RunResult> {
    return this.side.kubectl(['exec', ...(options?.flags ?? []), this.name, '--', ...command], options);
  }

  /** Runs a shell script in a container; gives its output without the last newline. A failure is an error. */
  async sh(script: string, name = 'main'): Promise<string> {
    const result = await this.exec(['sh', '-c', script], { flags: ['-c', name] });
    if (result.code !== 0) throw new Error(`${script}: ${describe(result)}`);
    return result.stdout.trimEnd();
  }

  async logs(...args: string[]): Promise<string> {
    return (await this.side.must(['logs', this.name, ...args])).trimEnd();
  }

  async delete(...args: string[]): Promise<void> {
    await this.side.must(['delete', 'pod', this.name, '--timeout=60s', ...args], { timeoutMs: 70_000 });
  }

  /** The reasons of its events, each once. */
  async events(): Promise<string[]> {
    const { items } = JSON.parse(
      await this.side.must([
        'get',
        'events',
        '--field-selector',
        `involvedObject.name=${this.name}`,
        '-o',
        'json',
      ]),
    );
    return [...new Set<string>(items.map((one: Json) => one.reason))];
  }
}

/** Whether a condition of an object's status holds. */
export function isTrue(status: Json, type: string): boolean {
  return (status.conditions ?? []).some((one: Json) => one.type === type && one.status === 'True');
}

/** A container's status by its name, of whichever kind it is. */
export function statusOf(status: Json, name = 'main'): Json {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = status;
  return [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find(
    (one) => one.name === name,
  );
}

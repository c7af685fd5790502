// What the kernel says about a process that serves a VM: who it is, what it may do, what it sees and holds.
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Kinds of namespaces that a process may have of its own. */
export type NamespaceKind = 'mnt' | 'pid' | 'ipc' | 'uts' | 'net';

/** What is read again and again from one process. */
export class JailedProcess {
  readonly pid: number;

  constructor(pid: number) {
    this.pid = pid;
  }

  /** The processes in a namespace's cgroups whose program has this name. */
  static named(namespace: string, program: RegExp): JailedProcess[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => read(`/proc/${pid}/cgroup`).includes(namespace))
      .filter((pid) => program.test(basename(read(`/proc/${pid}/cmdline`).split('\0')[0] ?? '')))
      .map((pid) => new JailedProcess(Number(pid)));
  }

  get #dir(): string {
    return `/proc/${this.pid}`;
  }

  /** The words of a field of /proc/PID/status. */
  status(field: string): string[] {
    return statusField(read(`${this.#dir}/status`), field);
  }

  /** A field of the status of every thread, each value once. */
  ofThreads(field: string): string[] {
    const tasks = readdirSync(`${this.#dir}/task`);
    const values = tasks.map((tid) => statusField(read(`${this.#dir}/task/${tid}/status`), field).join(' '));
    return [...new Set(values)];
  }

  /** The five sets of capabilities, as one number. */
  capabilities(): bigint {
    const sets = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].flatMap((name) => this.ofThreads(name));
    return sets.reduce((all, set) => all | BigInt(`0x${set}`), 0n);
  }

  namespace(kind: NamespaceKind): string {
    return readlinkSync(`${this.#dir}/ns/${kind}`);
  }

  /** Whether its root is the folder that the host calls `/`. */
  hasHostRoot(): boolean {
    const [own, host] = [statSync(`${this.#dir}/root`), statSync('/')];
    return own.dev === host.dev && own.ino === host.ino;
  }

  /** Whether it can name a file of the host. */
  reaches(path: string): boolean {
    return existsSync(join(`${this.#dir}/root`, path));
  }

  rootNames(): string[] {
    return readdirSync(`${this.#dir}/root/`).sort();
  }

  /** Mount points and options of its mount namespace. */
  mounts(): {
    readonly id: string;
    readonly point: string;
    readonly options: string[];
    readonly device: string;
  }[] {
    return read(`${this.#dir}/mountinfo`)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split(' '))
      .map(([id = '', , device = '', , point = '', options = '']) => ({
        ...{ id, point, device },
        options: options.split(','),
      }));
  }

  /** What its descriptors are. */
  openFiles(): string[] {
    return readdirSync(`${this.#dir}/fd`).flatMap((fd) => {
      try {
        return [readlinkSync(`${this.#dir}/fd/${fd}`)];
      } catch {
        return [];
      }
    });
  }

  /** Hard limit of a resource, as /proc/PID/limits names it. */
  hardLimit(name: string): string {
    return new RegExp(`^${name} +\\S+ +(\\S+)`, 'm').exec(read(`${this.#dir}/limits`))?.[1] ?? '';
  }

  get oomScoreAdj(): number {
    return Number(read(`${this.#dir}/oom_score_adj`));
  }

  /** A file of its control group: the first of the names that a hierarchy has. */
  cgroupFile(...names: string[]): string | undefined {
    const groups = read(`${this.#dir}/cgroup`)
      .split('\n')
      .flatMap((line) => /^\d+:([^:]*):(.*)$/.exec(line) ?? [])
      .filter((part) => part.startsWith('/'));
    const mounted = readdirSync('/sys/fs/cgroup').map((name) => join('/sys/fs/cgroup', name));
    for (const hierarchy of ['/sys/fs/cgroup', ...mounted]) {
      for (const path of groups.flatMap((group) => names.map((name) => join(hierarchy, group, name)))) {
        if (existsSync(path)) return readFileSync(path, 'utf8').trim();
      }
    }
    return undefined;
  }
}

function statusField(text: string, field: string): string[] {
  return (new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(text)?.[1] ?? '').split(/\s+/).filter((w) => w !== '');
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

// Plays containerd towards shims, so that tests can send any call at any time: bundles, invocation, Task API, events.
import { spawn } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Client, type Connection, connect, createClient } from 'ttrpc-ts';
import { removeCgroups } from '../../scripts/stand/cgroups.ts';
import { mustRun, type RunOptions, type RunResult, run } from '../../scripts/stand/command.ts';
import { writeRootfs } from '../../scripts/stand/image.ts';
import { unmountBelow } from '../../scripts/stand/mounts.ts';
import { scratchDir } from '../../scripts/stand/paths.ts';
import { markedProcesses, markVariable, readProcess } from '../../scripts/stand/processes.ts';
import { type Runtime, runtime, searchPath, shimPath } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { TaskV2, type TaskV3 } from '../../src/gen/task.ts';
import type { Mount } from '../../src/gen/types.ts';
import { EventReceiver } from './event-receiver.ts';
import { FifoClient, type FifoOptions } from './fifo-client.ts';
import type { Spec } from './spec.ts';

export type Task = Client<typeof TaskV2>;

export class FakeContainerd {
  readonly dir: string;
  readonly namespace: string;
  readonly address: string;
  readonly bulkheadState: string;
  readonly runtime: Runtime;
  readonly events: EventReceiver;
  /** Path of the shim binary; the runtime's unless a test sets another. */
  binary: string;
  /** Of the shims. */
  readonly env: NodeJS.ProcessEnv;
  readonly #shims: Shim[] = [];
  readonly #logs = new Map<string, Drain>();

  private constructor(dir: string, of: Runtime, env: NodeJS.ProcessEnv) {
    this.dir = dir;
    this.runtime = of;
    this.binary = shimPath(of);
    this.namespace = dir.slice(dir.lastIndexOf('/') + 1);
    this.address = join(dir, 'c.sock');
    this.bulkheadState = join(dir, 'b');
    this.events = new EventReceiver(`${this.address}.ttrpc`);
    const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('NODE_'));
    this.env = {
      ...Object.fromEntries(clean),
      PATH: searchPath(),
      [markVariable]: this.namespace,
      BULKHEAD_STATE: this.bulkheadState,
      TTRPC_ADDRESS: `${this.address}.ttrpc`,
      GRPC_ADDRESS: this.address,
      NAMESPACE: this.namespace,
      MAX_SHIM_VERSION: '2',
      GOMAXPROCS: '2',
      ...env,
    };
  }

  /** A scratch folder with an image's files and an events service. */
  static async start(of: Runtime = runtime, env: NodeJS.ProcessEnv = {}): Promise<FakeContainerd> {
    const fake = new FakeContainerd(await scratchDir('t'), of, env);
    await mkdir(join(fake.dir, 'image'));
    await writeRootfs(join(fake.dir, 'image'));
    await fake.events.listen();
    return fake;
  }

  /** Writes a bundle as containerd does: config.json, rootfs, work, log FIFO. `spec` undefined leaves config.json out. */
  async bundle(id: string, spec: Spec | string | undefined): Promise<string> {
    const bundle = join(this.dir, 's', id);
    await mkdir(join(bundle, 'rootfs'), { recursive: true, mode: 0o711 });
    await mkdir(join(this.dir, 'w', id), { recursive: true });
    await symlink(join(this.dir, 'w', id), join(bundle, 'work'));
    if (spec !== undefined) {
      await writeFile(join(bundle, 'config.json'), typeof spec === 'string' ? spec : JSON.stringify(spec));
    }
    await mustRun('mkfifo', ['-m', '700', join(bundle, 'log')]);
    // containerd reads the log FIFO from before `start` on.
    this.#logs.get(id)?.stop(); // of an earlier life of the id
    this.#logs.set(id, drain(join(bundle, 'log'), join(this.dir, `${id}.log`)));
    return bundle;
  }

  /** Removes a bundle that has no shim of its own, and the reader of its log. */
  async removeBundle(id: string): Promise<void> {
    this.endLog(id);
    await rm(join(this.dir, 's', id), { recursive: true, force: true });
  }

  /** An overlay of the image for one container, as a snapshotter gives it. */
  async rootfs(id: string): Promise<Mount[]> {
    const dir = join(this.dir, 'o', id);
    await mkdir(join(dir, 'upper'), { recursive: true });
    await mkdir(join(dir, 'work'), { recursive: true });
    const options = [`lowerdir=${join(this.dir, 'image')}`, `upperdir=${dir}/upper`, `workdir=${dir}/work`];
    return [{ type: 'overlay', source: 'overlay', target: '', options: ['index=off', ...options] }];
  }

  /** Runs the shim binary with containerd's flags; `action` is start or delete, or empty for -v and -info. */
  invoke(
    id: string,
    action: string,
    flags: readonly string[] = [],
    options: RunOptions = {},
  ): Promise<RunResult> {
    const words = [
      '-namespace',
      this.namespace,
      '-address',
      this.address,
      '-publish-binary',
      '/usr/bin/containerd',
    ];
    const argv = [...words, '-id', id, ...flags, '-debug', action];
    return run(this.binary, argv, { env: this.env, timeoutMs: 30_000, ...options });
  }

  /** Bundle, `start`, connection. The returned shim has no task yet. `before` runs before `start`. */
  async shim(id: string, spec: Spec, before: () => Promise<void> = async () => undefined): Promise<Shim> {
    const bundle = await this.bundle(id, spec);
    await before();
    const started = await this.invoke(id, 'start', [], { cwd: bundle });
    if (started.code !== 0)
      throw new Error(`start: exit ${started.code}: ${started.stdout}${started.stderr}`);
    const address = started.stdout.trim().replace(/^unix:\/\//, '');
    const shim = new Shim(this, id, bundle, address);
    this.#shims.push(shim);
    await shim.connect();
    return shim;
  }

  /** What the shims wrote to their log FIFOs; of one bundle, or of all. */
  log(id?: string): string {
    const logs = id === undefined ? [...this.#logs.values()] : [this.#logs.get(id)];
    return logs.map((log) => (log === undefined ? '' : readText(log.file))).join('\n');
  }

  /** Reads the log of a bundle no more, and fills its FIFO to the brim, as when containerd is down or stuck. */
  async stopLog(id: string): Promise<void> {
    const { pid } = this.#logs.get(id)!;
    if (pid === undefined) throw new Error(`nobody reads the log of ${id}`);
    process.kill(pid, 'SIGSTOP');
    await waitFor('stopped reader', () => readProcess(pid)?.state === 'T');
    const fd = openSync(join(this.dir, 's', id, 'log'), constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      for (;;) writeSync(fd, '.');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    } finally {
      closeSync(fd);
    }
  }

  /** Reads it again. */
  resumeLog(id: string): void {
    const { pid } = this.#logs.get(id)!;
    if (pid !== undefined) process.kill(pid, 'SIGCONT');
  }

  /** Ends the reader of a log whose shim is gone; for those who make very many. */
  endLog(id: string): void {
    this.#logs.get(id)?.stop();
    this.#logs.delete(id);
  }

  processes(): ReturnType<typeof markedProcesses> {
    const own = [...this.#logs.values()].map(({ pid }) => pid);
    return markedProcesses(this.namespace, this.dir).filter(({ pid }) => !own.includes(pid));
  }

  /** Kills and removes everything. Never rejects half-way. */
  async stop(): Promise<void> {
    for (const shim of this.#shims) shim.release();
    for (const { stop } of this.#logs.values()) stop();
    this.events.close();
    for (const { pid } of this.processes()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Gone meanwhile.
      }
    }
    await waitFor('end of the processes', () => this.processes().length === 0, 10_000).catch(() => undefined);
    await unmountBelow(this.dir);
    removeCgroups(this.namespace);
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** One started shim, with its Task API. */
export class Shim {
  readonly fake: FakeContainerd;
  readonly id: string;
  readonly bundle: string;
  /** Path of its socket. */
  readonly address: string;
  readonly #connections: Connection[] = [];
  readonly #streams: FifoClient[] = [];
  readonly #fifoDirs: string[] = [];
  #execs = 0;
  task!: Task;

  constructor(fake: FakeContainerd, id: string, bundle: string, address: string) {
    this.fake = fake;
    this.id = id;
    this.bundle = bundle;
    this.address = address;
  }

  /** A (further) connection; `task` uses the newest. */
  async connect(service: typeof TaskV2 | typeof TaskV3 = TaskV2): Promise<Task> {
    const connection = await connect({ path: this.address });
    this.#connections.push(connection);
    // v2 and v3 differ in the name only.
    this.task = createClient(service, connection) as Task;
    return this.task;
  }

  /** Create with an overlay root, unless told another; gives the client's side of the streams. */
  async create(options: FifoOptions & { readonly rootfs?: Mount[] } = {}): Promise<FifoClient> {
    const streams = await this.#open(this.id, options);
    const rootfs = options.rootfs ?? (await this.fake.rootfs(this.id));
    await this.task.create(
      { id: this.id, bundle: this.bundle, rootfs, ...streams.request },
      { timeoutMs: 90_000 },
    );
    return streams;
  }

  /** Create and Start. */
  async run(options: FifoOptions & { readonly rootfs?: Mount[] } = {}): Promise<FifoClient> {
    const streams = await this.create(options);
    await this.task.start({ id: this.id }, { timeoutMs: 30_000 });
    return streams;
  }

  /** Exec and Start of a process; gives its id and streams. */
  async exec(
    process: object,
    options: FifoOptions & { execId?: string } = {},
  ): Promise<{ execId: string; io: FifoClient }> {
    const execId = options.execId ?? `x${++this.#execs}`;
    const io = await this.addExec(process, { ...options, execId });
    await this.task.start({ id: this.id, execId }, { timeoutMs: 30_000 });
    return { execId, io };
  }

  /** Exec without Start. */
  async addExec(process: object, options: FifoOptions & { execId: string }): Promise<FifoClient> {
    const io = await this.#open(`${this.id}-${options.execId}`, options);
    const typeUrl = 'types.containerd.io/opencontainers/runtime-spec/1/Process';
    const spec = { typeUrl, value: Buffer.from(JSON.stringify(process)) };
    await this.task.exec({ id: this.id, execId: options.execId, spec, ...io.request });
    return io;
  }

  async #open(name: string, options: FifoOptions): Promise<FifoClient> {
    const dir = join(this.fake.dir, 'f', `${name}-${this.#fifoDirs.length}`);
    this.#fifoDirs.push(dir);
    const streams = await FifoClient.open(dir, options);
    this.#streams.push(streams);
    return streams;
  }

  /** Pid of the shim as Connect tells it. */
  async pid(): Promise<number> {
    return (await this.task.connect({ id: this.id })).shimPid;
  }

  /** Kill, Wait, Delete, Shutdown, as far as each still applies; then the `delete` binary, as containerd ends. */
  async remove(): Promise<void> {
    const limit = { timeoutMs: 30_000 };
    await this.task.kill({ id: this.id, signal: 9, all: true }, limit).catch(() => undefined);
    await this.task.wait({ id: this.id }, limit).catch(() => undefined);
    await this.task.delete({ id: this.id }, limit).catch(() => undefined);
    await this.task.shutdown({ id: this.id }, limit).catch(() => undefined);
    this.release();
    await this.deleteBinary();
    for (const dir of this.#fifoDirs) await rm(dir, { recursive: true, force: true });
    await unmountBelow(this.bundle);
    await rm(this.bundle, { recursive: true, force: true });
  }

  /** The `delete` invocation. */
  deleteBinary(): Promise<RunResult> {
    return this.fake.invoke(this.id, 'delete', ['-bundle', this.bundle], { cwd: this.bundle });
  }

  /** What the shim wrote to its log FIFO. */
  log(): string {
    return this.fake.log(this.id);
  }

  /** Closes the connections and the clients' ends of the streams. */
  release(): void {
    for (const connection of this.#connections) connection.close();
    for (const streams of this.#streams) streams.close();
  }
}

interface Drain {
  readonly file: string;
  readonly pid: number | undefined;
  stop(): void;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Copies a FIFO into a file until stopped, holding it open for reading and writing as containerd does. */
function drain(fifo: string, file: string): Drain {
  const from = openSync(fifo, constants.O_RDWR);
  const to = openSync(file, 'a');
  const child = spawn('cat', { stdio: [from, to, 'ignore'] });
  for (const fd of [from, to]) closeSync(fd);
  return { file, pid: child.pid, stop: () => void child.kill('SIGKILL') };
}

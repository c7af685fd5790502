/** A running QEMU VM: its console, its exit and the reason, pause and resume. */
import type { Socket } from 'node:net';
import { delay } from '../../base/delay.ts';
import type { Cgroup } from '../../host/cgroup.ts';
import { PacedReading } from '../../host/paced-reading.ts';
import { isAlive } from '../../host/process.ts';
import { ConsoleRing, PANIC } from '../console-ring.ts';
import { onManyFiles } from '../files.ts';
import { type Vm, VmError, type VmExit, type VmExitCause, type VmProcess } from '../hypervisor.ts';
import { type ChildExit, describeExit, ended, type VmChild } from '../vm-child.ts';
import { createHotPlug } from './hot-plug.ts';
import type { QmpClient, QmpEvent } from './qmp.ts';
import { type ResizeLimits, Resizer } from './resize.ts';

export interface QemuParts {
  readonly qemu: VmChild;
  readonly files: VmChild | undefined;
  readonly qmp: QmpClient;
  readonly agent: Socket;
  readonly console: Socket;
  readonly cgroup: Cgroup | undefined;
  readonly limits: ResizeLimits;
}

/** How long processes left in the VM's cgroup may take to die after SIGKILL. */
export const DEATH_MS = 3000;

/** How long to wait for the files daemon: it exits by itself within some milliseconds of QEMU. */
export const FILES_END_MS = 200;

/** How long `kill` waits; everything after QEMU's exit takes less unless something hangs. */
const KILL_MS = 5_000;
const STUCK = 'QEMU does not end after SIGKILL: it waits for a device or a file system of the host';

/** How long a panicking guest may take to print why and reset itself. */
const PANIC_MS = 3000;

/** How long QEMU may take to exit after closing its connection to the files daemon. */
const QEMU_END_MS = 1000;

const TAIL_LINES = 20;

/** The cgroup counts OOM kills, whether they were for its own limit, an ancestor's, or the host's memory. */
const OUT_OF_MEMORY =
  'the kernel of the host killed the VM: its control group or the node ran out of memory; give the pod more, ' +
  'for the VM needs its own besides';
const FROM_OUTSIDE =
  "sent by an operator or a program of this host: neither bulkhead nor the kernel's OOM killer ended it";

/**
 * QEMU's serial port writes byte by byte, and a socket buffers few such writes: while reading pauses, the guest soon
 * waits for its port. Its kernel waits 10 ms for each byte of a panic and then drops it, so the pause is shorter.
 */
const CONSOLE_PACE = { burst: 200, perSecond: 50, pauseMs: 4 };
const QMP_PACE = { burst: 1_000, perSecond: 200, pauseMs: 5 };

export class QemuVm implements Vm {
  readonly pid: number;
  readonly processes: readonly VmProcess[];
  readonly agent: Socket;
  readonly exited: Promise<VmExit>;
  readonly devices;
  readonly size: Resizer;
  readonly #parts: QemuParts;
  readonly #console = new ConsoleRing();
  readonly #consoleReading: PacedReading;
  /** How the guest ended, as QEMU reported it before exiting. */
  #guestEnd: VmExitCause | undefined;
  #killed = false;
  #oomKills = 0;

  constructor(parts: QemuParts) {
    const { qemu, files, qmp, agent } = parts;
    this.#parts = parts;
    this.pid = qemu.ref.pid;
    const children = [qemu, ...(files ? [files] : [])];
    this.processes = [
      ...children.map(({ name, ref }) => ({ name, ...ref })),
      ...children.map(({ name, launcher }) => ({ name: `${name}-jail`, ...launcher })),
    ];
    this.agent = agent;
    this.devices = createHotPlug(qmp, this.pid);
    this.size = new Resizer(qmp, parts.limits, files !== undefined);
    parts.console.on('data', (data: Buffer) => this.#console.push(data));
    this.#consoleReading = new PacedReading(parts.console, CONSOLE_PACE);
    new PacedReading(qmp.channel, QMP_PACE);
    qmp.onEvent((event) => this.#note(event));
    void qmp.closed.then(() => {
      if (qmp.breach !== undefined) void this.kill();
    });
    this.exited = this.#watch();
  }

  console(): string {
    return this.#console.text();
  }

  stderr(): string {
    const { qemu, files } = this.#parts;
    return [qemu, files].map((c) => c?.stderr() ?? '').join('');
  }

  onManyFiles(listener: (again: boolean) => void): void {
    if (this.#parts.files) onManyFiles(this.#parts.files, listener);
  }

  async kill(): Promise<VmExit> {
    if (!this.#parts.qemu.exit) this.#killed = true;
    this.#parts.qemu.kill();
    const stuck: VmExit = { code: null, signal: null, cause: 'killed', reason: STUCK };
    return await Promise.race([this.exited, delay(KILL_MS).then(() => stuck)]);
  }

  async pause(): Promise<void> {
    await this.#command('stop');
  }

  async resume(): Promise<void> {
    await this.#command('cont');
  }

  async #command(name: string): Promise<void> {
    try {
      await this.#parts.qmp.execute(name);
    } catch (error) {
      throw new VmError('run', (error as Error).message, { stderr: this.stderr(), cause: error });
    }
  }

  #note({ event, data }: QmpEvent): void {
    if (event === 'GUEST_PANICKED') this.#endPanic();
    if (event !== 'SHUTDOWN' || this.#guestEnd || data.guest !== true) return;
    this.#guestEnd = data.reason === 'guest-shutdown' ? 'guest-powered-off' : 'guest-reset';
  }

  /** A guest resets itself after a panic; one that does not is killed here. */
  #endPanic(): void {
    if (this.#guestEnd) return;
    this.#guestEnd = 'guest-panicked';
    const timer = setTimeout(() => this.#parts.qemu.kill(), PANIC_MS);
    void this.#parts.qemu.exited.then(() => clearTimeout(timer));
  }

  /** The exit of either process is the end of the VM. */
  async #watch(): Promise<VmExit> {
    const { qemu, files, qmp, console } = this.#parts;
    const first = await Promise.race([
      qemu.exited.then(() => 'qemu' as const),
      ...(files ? [files.exited.then(() => 'files' as const)] : []),
    ]);
    const alone = first === 'files' && !this.#killed && (await this.#outlivesFiles());
    qemu.kill();
    const exit = await qemu.exited;
    await files?.end(FILES_END_MS);
    this.#oomKills = this.#parts.cgroup?.oomKills() ?? 0;
    await this.#clearCgroup();
    this.#consoleReading.free();
    await Promise.all([ended(console), ended(qmp.channel)]);
    qmp.close('the VM has ended');
    this.agent.destroy();
    console.destroy();
    return this.#describe(exit, alone || this.#filesFailed(exit));
  }

  /** Whether QEMU outlives the daemon, which exits with code 0 when QEMU dies; that may be seen before QEMU's exit. */
  async #outlivesFiles(): Promise<boolean> {
    const { qemu, files } = this.#parts;
    const exit = files?.exit;
    if (exit?.signal) return qemu.exit === undefined && isAlive(qemu.ref);
    const graceMs = exit?.code === 0 ? QEMU_END_MS : QEMU_END_MS / 10;
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([qemu.exited, over]);
    clearTimeout(timer);
    return qemu.exit === undefined;
  }

  /** During start-up QEMU exits when the daemon fails, and its exit may be seen first. */
  #filesFailed(exit: ChildExit): boolean {
    const failed = (code: number | null | undefined) => typeof code === 'number' && code !== 0;
    return !this.#killed && failed(exit.code) && failed(this.#parts.files?.exit?.code);
  }

  async #clearCgroup(): Promise<void> {
    // `delete` reports what cannot be killed; the VM itself is gone.
    await this.#parts.cgroup?.kill({ timeoutMs: DEATH_MS }).catch(() => undefined);
  }

  #describe(exit: ChildExit, filesDied: boolean): VmExit {
    const { files } = this.#parts;
    const base = { code: exit.code, signal: exit.signal };
    const sigkilled = [exit, files?.exit].some((one) => one?.signal === 'SIGKILL');
    if (sigkilled && this.#oomKills > 0)
      return { ...base, cause: 'host-out-of-memory', reason: OUT_OF_MEMORY };
    if (filesDied && files) {
      const how = files.exit ? describeExit(files.exit) : 'an unknown end';
      const who = files.exit?.signal === 'SIGKILL' ? `, ${FROM_OUTSIDE}` : '';
      return {
        ...base,
        cause: 'files-died',
        reason: withTail(`bulkhead-files died with ${how}${who}`, files.stderr()),
      };
    }
    if (this.#killed && !this.#guestEnd) {
      const { breach } = this.#parts.qmp;
      return { ...base, cause: 'killed', reason: withTail('the VM was killed', breach ?? '') };
    }
    const panicked = this.#guestEnd === 'guest-reset' && PANIC.test(this.console());
    const cause = panicked ? 'guest-panicked' : (this.#guestEnd ?? 'vmm-exited');
    return { ...base, cause, reason: this.#reason(cause, exit) };
  }

  #reason(cause: VmExitCause, exit: ChildExit): string {
    const console = this.#console;
    if (cause === 'guest-panicked') return withTail('the guest panicked', console.panicLines(TAIL_LINES));
    if (cause === 'guest-reset') return withTail('the guest reset itself', console.lastLines(TAIL_LINES));
    if (cause === 'guest-powered-off') return 'the guest powered off';
    const how = `the VMM exited with ${describeExit(exit)}`;
    if (exit.signal === 'SIGKILL') return `${how}, ${FROM_OUTSIDE}`;
    return withTail(how, this.#parts.qemu.stderr());
  }
}

function withTail(what: string, tail: string): string {
  const text = tail.trim();
  return text === '' ? what : `${what}: ${text}`;
}

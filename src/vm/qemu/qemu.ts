/** Starts a VM under QEMU: checks, processes, QMP; all or nothing. */
import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { descriptorOf } from '../../host/descriptor.ts';
import { type FilesDaemon, startFiles } from '../files.ts';
import { type Vm, VmError, type VmSpec } from '../hypervisor.ts';
import { JAILED_KERNEL, vmmJail } from '../jail.ts';
import { checkSpec } from '../preflight.ts';
import { VmChild } from '../vm-child.ts';
import { qemuArgv } from './argv.ts';
import { diskKind, openDisk } from './disk-file.ts';
import { QmpClient, QmpError } from './qmp.ts';
import { DEATH_MS, FILES_END_MS, QemuVm } from './running-vm.ts';

export interface QemuOptions {
  /** Limit from QEMU's start to its QMP greeting; by default 20 s, for hosts under heavy load. */
  readonly startMs?: number;
}

const DEFAULT_START_MS = 20_000;

/**
 * Resolves when QEMU runs the guest, not when the agent answers.
 * @throws VmError with nothing left behind (processes, sockets, files); also when `signal` aborts.
 */
export async function startQemu(spec: VmSpec, signal: AbortSignal, options: QemuOptions = {}): Promise<Vm> {
  throwIfAborted(signal);
  const { accelerator } = checkSpec(spec);
  let files: FilesDaemon | undefined;
  let vmm: Promise<VmChild> | undefined;
  try {
    files = await startDaemon(spec, signal);
    throwIfAborted(signal);
    const connection = files?.connection;
    vmm = startStage('vmm', spec.hypervisorPath, () => startVmm(spec, accelerator, connection, signal));
    vmm.catch(() => undefined);
    // The daemon's error goes first: without the daemon the VMM fails too.
    const daemon = await startStage('files', spec.shared?.program ?? '', async () => files?.daemon);
    const qemu = await vmm;
    // QEMU has inherited the connection.
    files?.connection.destroy();
    throwIfAborted(signal);
    return await connect(spec, qemu, daemon, signal, options.startMs ?? DEFAULT_START_MS);
  } catch (error) {
    // In reverse order: without its peer, the daemon exits by itself.
    const qemu = await vmm?.catch(() => undefined);
    qemu?.kill();
    await qemu?.exited;
    files?.connection.destroy();
    const daemon = await files?.daemon.catch(() => undefined);
    await daemon?.end(qemu ? FILES_END_MS : 0);
    await spec.cgroup?.kill({ timeoutMs: DEATH_MS }).catch(() => undefined);
    throwIfAborted(signal);
    throw error;
  }
}

async function startDaemon(spec: VmSpec, signal: AbortSignal): Promise<FilesDaemon | undefined> {
  const { shared, dir, cgroup, oomScoreAdj } = spec;
  if (!shared) return undefined;
  return startStage('files', shared.program, () => startFiles({ shared, dir, cgroup, oomScoreAdj, signal }));
}

/** Files that the VMM cannot open itself are opened here and inherited. */
async function startVmm(
  spec: VmSpec,
  accelerator: 'kvm' | 'tcg',
  files: Socket | undefined,
  signal: AbortSignal,
): Promise<VmChild> {
  const argv = qemuArgv(spec, { accelerator, kernel: JAILED_KERNEL }, diskKind);
  const disks = [{ path: spec.image, readOnly: true }, ...(spec.disks ?? [])];
  const opened: number[] = [];
  try {
    for (const disk of disks) opened.push(openDisk(disk));
    return await VmChild.start({
      name: 'qemu',
      jail: vmmJail(argv, { ...spec, kvm: accelerator === 'kvm' }),
      channels: 3,
      descriptors: [files && descriptorOf(files), ...opened],
      signal,
    });
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

async function startStage<T>(stage: 'vmm' | 'files', path: string, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    if (error instanceof VmError) throw error;
    throw new VmError(stage, `cannot start ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** Waits for QMP; fails when either process dies, when `signal` aborts, and after `startMs`. */
async function connect(
  spec: VmSpec,
  qemu: VmChild,
  files: VmChild | undefined,
  signal: AbortSignal,
  startMs: number,
): Promise<Vm> {
  const [qmpChannel, agent, console] = qemu.channels;
  if (!qmpChannel || !agent || !console) throw new VmError('vmm', 'the channels to QEMU could not be made');
  const qmp = new QmpClient(qmpChannel);
  const vm = new QemuVm({ qemu, files, qmp, agent, console, cgroup: spec.cgroup, limits: spec });
  const failed = Promise.withResolvers<never>();
  const onAbort = () => failed.reject(abortError(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([qmp.connect({ timeoutMs: startMs }), failed.promise]);
    return vm;
  } catch (error) {
    throwIfAborted(signal);
    throw await explain(vm, error);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** How long a VMM that has closed its QMP channel may take to exit by itself and so give the reason. */
const LAST_WORDS_MS = 1000;

/** Finds the reason: a QMP failure is usually just the first sign of a process that died. */
async function explain(vm: QemuVm, error: unknown): Promise<VmError> {
  const timer = setTimeout(() => vm.kill(), LAST_WORDS_MS);
  if (error instanceof QmpError && error.className === 'Timeout') await vm.kill();
  const exit = await vm.exited;
  clearTimeout(timer);
  const detail = { stderr: vm.stderr(), console: vm.console(), cause: error };
  if (exit.cause === 'killed') {
    return new VmError('vmm', `QEMU did not come up: ${(error as Error).message}`, detail);
  }
  const stage = exit.cause === 'files-died' ? 'files' : 'vmm';
  return new VmError(stage, `the VM ended while it started: ${exit.reason}`, { cause: error });
}

function abortError(signal: AbortSignal): VmError {
  const reason = signal.reason instanceof Error ? signal.reason.message : String(signal.reason);
  return new VmError('vmm', `the start of the VM was aborted: ${reason}`, { cause: signal.reason });
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw abortError(signal);
}

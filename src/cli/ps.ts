// `bulkhead ps`: the sandboxes of this host, from their state files and /proc; asks no shim and no guest.

import fs from 'node:fs';
import path from 'node:path';
import { pssKib } from '../host/memory.ts';
import { isAlive } from '../host/process.ts';
import { readRecord, type SandboxRecord, stateRoot } from '../sandbox/state.ts';
import { formatAge, formatTable } from './table.ts';

/** A process of a sandbox, as it is now. */
export interface ProcessView {
  readonly name: string;
  readonly pid: number;
  readonly isAlive: boolean;
  /** Proportional set size in KiB; undefined when dead or unreadable. */
  readonly pssKib: number | undefined;
}

/** A sandbox, as it is now. */
export interface SandboxView {
  readonly namespace: string;
  readonly id: string;
  /** `broken`: a part of it is gone or unreadable; its `delete` removes the rest. */
  readonly status: 'running' | 'starting' | 'broken';
  readonly problem: string | undefined;
  readonly ageSeconds: number | undefined;
  readonly vcpus: number | undefined;
  readonly memoryMib: number | undefined;
  readonly processes: readonly ProcessView[];
  readonly bundle: string | undefined;
}

/** The names of the folders in `dir`; none when that does not exist. @throws when it cannot be read */
function foldersOf(dir: string): string[] {
  try {
    const entries = fs.readdirSync(dir, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}

function viewOf(record: SandboxRecord): SandboxView {
  const recorded = [{ name: 'shim', ...record.shim }, ...record.processes];
  const processes = recorded.map(({ name, pid, startTime }): ProcessView => {
    const alive = isAlive({ pid, startTime });
    return { name, pid, isAlive: alive, pssKib: alive ? pssKib(pid) : undefined };
  });
  const dead = processes.filter((one) => !one.isAlive).map((one) => `${one.name} (${one.pid})`);
  const created = Date.parse(record.createdAt);
  return {
    namespace: record.namespace,
    id: record.id,
    status: dead.length > 0 ? 'broken' : record.processes.length === 0 ? 'starting' : 'running',
    problem: dead.length > 0 ? `gone: ${dead.join(', ')}` : undefined,
    ageSeconds: Number.isNaN(created) ? undefined : Math.max(0, (Date.now() - created) / 1000),
    vcpus: record.vcpus,
    memoryMib: record.memoryMib,
    processes,
    bundle: record.bundle,
  };
}

/** All sandboxes below the state root, sorted by namespace and id. @throws when the root cannot be read */
export function listSandboxes(root = stateRoot()): SandboxView[] {
  return foldersOf(root)
    .sort()
    .flatMap((namespace) =>
      foldersOf(path.join(root, namespace))
        .sort()
        .map((id): SandboxView => {
          const record = readRecord(path.join(root, namespace, id));
          if (record !== undefined) return viewOf(record);
          const none = { ageSeconds: undefined, vcpus: undefined, memoryMib: undefined, bundle: undefined };
          return {
            namespace,
            id,
            status: 'broken',
            problem: 'state.json is missing or unreadable',
            processes: [],
            ...none,
          };
        }),
    );
}

function mib(kib: number | undefined): string {
  return kib === undefined ? '-' : `${(kib / 1024).toFixed(1)}M`;
}

/** The table that `bulkhead ps` prints. */
export function formatSandboxes(sandboxes: readonly SandboxView[]): string[] {
  const header = [
    'NAMESPACE',
    'SANDBOX',
    'STATUS',
    'AGE',
    'VCPUS',
    'MEMORY',
    'PROCESSES (PID, MEMORY ON THE HOST)',
  ];
  return formatTable(
    header,
    sandboxes.map((one) => [
      one.namespace,
      one.id,
      one.status,
      one.ageSeconds === undefined ? '-' : formatAge(one.ageSeconds),
      one.vcpus === undefined ? '-' : String(one.vcpus),
      one.memoryMib === undefined ? '-' : `${one.memoryMib}M`,
      one.processes.length === 0
        ? (one.problem ?? '')
        : one.processes.map((p) => `${p.name} ${p.pid} ${p.isAlive ? mib(p.pssKib) : 'GONE'}`).join(', '),
    ]),
  );
}

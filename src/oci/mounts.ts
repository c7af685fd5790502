// Classifies the mounts of a spec by what it takes for them to exist in a VM. Pure: the caller provides the mount
// table and what is at each source.
import { posix } from 'node:path';
import type { Mount } from './spec.ts';

/**
 * How a mount is realized:
 * - `guest`: the guest mounts it itself (proc, sysfs, tmpfs, ...)
 * - `shm`: the sandbox's shared memory, one tmpfs in the guest for all containers of the pod
 * - `file-bind`, `dir-bind`: shared from the host
 * - `watched`: a config map or the like, shared from the host and copied in the guest, so that inotify sees changes
 * - `ephemeral`: memory-backed emptyDir, one tmpfs in the guest for the pod
 * - `empty-dir`: disk-backed emptyDir, shared from the host
 * - `local`: disk-backed emptyDir, a folder that the guest creates on the sandbox's own root file system
 * - `volume-disk`: disk-backed emptyDir, on a disk of its own whose file is in the kubelet's folder
 * - `hugetlb`: emptyDir of huge pages, made in the guest
 * - `block-device`: given to the VM as a disk
 * - `device`: a character device that the guest itself has
 * - `refused`: not possible; the container cannot be created
 */
export type MountKind =
  | 'guest'
  | 'shm'
  | 'file-bind'
  | 'dir-bind'
  | 'watched'
  | 'ephemeral'
  | 'empty-dir'
  | 'local'
  | 'volume-disk'
  | 'hugetlb'
  | 'block-device'
  | 'device'
  | 'refused';

export interface ClassifiedMount {
  /** Position in the spec's list. */
  readonly index: number;
  readonly mount: Mount;
  readonly kind: MountKind;
  readonly readOnly: boolean;
  /** The mounts below a read-only folder, outer ones first. Only `rro` makes these read-only too. */
  readonly submounts?: readonly Submount[] | undefined;
  /** An emptyDir's folder on the host, and the folder in it that is mounted (Kubernetes' subPath; '' for all of it). */
  readonly volume?: { readonly path: string; readonly subPath: string } | undefined;
  /** nosuid, nodev and noexec of a file system that is recreated in the guest. */
  readonly flags?: readonly string[] | undefined;
  /** Size limit of the tmpfs or hugetlbfs on the host; undefined: none found. */
  readonly sizeBytes?: number | undefined;
  /** Page size of a hugetlbfs. */
  readonly pageSizeBytes?: number | undefined;
  /** Why this kind: for the log, and for the error when refused. */
  readonly reason: string;
}

/** A mount on the host below a folder that is bind-mounted. */
export interface Submount {
  /** Relative to the folder. */
  readonly path: string;
  readonly readOnly: boolean;
}

/** A line of the mount table, as src/host's parseMountinfo returns it. */
export interface MountTableEntry {
  readonly mountPoint: string;
  readonly type: string;
  /** `major:minor` of the file system, and the folder in it that is mounted. */
  readonly device: string;
  readonly root: string;
  readonly options: readonly string[];
  readonly superOptions: readonly string[];
}

export type FileKind = 'file' | 'dir' | 'block' | 'char' | 'fifo' | 'socket';

/** What the classification must know about the host. */
export interface HostView {
  readonly mountTable: readonly MountTableEntry[];
  /** What is at a path, following links; undefined: nothing. */
  fileKind(path: string): FileKind | undefined;
  /** Whether disk-backed emptyDirs are shared from the host, in the guest's root, or on a disk of their own. */
  readonly diskEmptyDir: 'share' | 'local' | 'disk';
  /** What is in an emptyDir's folder: the disk that was created for it, other files, or nothing. */
  volumeContent(path: string): FolderContent;
}

export type FolderContent = 'empty' | 'disk' | 'files';

type Verdict = Omit<ClassifiedMount, 'index' | 'mount' | 'readOnly'>;

/** File systems without a source on the host: the guest's kernel provides them. */
const guestTypes = new Set([
  'proc',
  'sysfs',
  'tmpfs',
  'devpts',
  'mqueue',
  'cgroup',
  'cgroup2',
  'bpf',
  'debugfs',
  'tracefs',
  'securityfs',
  'configfs',
  'hugetlbfs',
  'binfmt_misc',
]);

/** Character devices that every Linux guest has, and that mean the same there as on the host. */
const guestDevices = new Set([
  '/dev/null',
  '/dev/zero',
  '/dev/full',
  '/dev/random',
  '/dev/urandom',
  '/dev/tty',
  '/dev/ptmx',
  '/dev/fuse',
  '/dev/net/tun',
]);

/** The kubelet's folder of an emptyDir, and a path in it. */
const emptyDirPath = /^(.*\/kubernetes\.io~empty-dir\/[^/]+)(?:\/(.+))?$/;

/** Parents of volumes whose files the kubelet replaces atomically, by switching a link. */
const watchedParents = new Set(
  ['configmap', 'secret', 'projected', 'downward-api'].map((name) => `kubernetes.io~${name}`),
);

/** With more mounts than this below a read-only folder (such as the host's root), all of them are read-only too. */
const MAX_SUBMOUNTS = 64;

/** Propagation that would need mounts of the guest to appear on the host. */
const outward = new Set(['shared', 'rshared']);

/** Classifies every mount of a spec, in order. */
export function classifyMounts(mounts: readonly Mount[], host: HostView): ClassifiedMount[] {
  return mounts.map((mount, index) => ({
    index,
    mount,
    readOnly: isReadOnly(mount.options ?? []),
    ...classifyMount(mount, host),
  }));
}

/** Whether the options make the mount read-only: the last of ro, rro and rw counts. */
export function isReadOnly(options: readonly string[]): boolean {
  const last = options.findLast((option) => option === 'ro' || option === 'rro' || option === 'rw');
  return last === 'ro' || last === 'rro';
}

/** Whether `rro` asks for everything below to be read-only as well. */
export function isRecursivelyReadOnly(options: readonly string[]): boolean {
  return isReadOnly(options) && options.includes('rro');
}

function isBind({ type, options = [] }: Mount): boolean {
  return type === 'bind' || options.includes('bind') || options.includes('rbind');
}

/** The paths at which `HostView.fileKind` is asked for these mounts. */
export function bindSources(mounts: readonly Mount[]): string[] {
  return mounts.flatMap((mount) => {
    const { source = '' } = mount;
    return isBind(mount) && source.startsWith('/') && ownTop(hostPath(source)) === undefined
      ? [hostPath(source)]
      : [];
  });
}

/** A source, normalized for look-ups. */
export function hostPath(source: string): string {
  return trimSlash(posix.normalize(source));
}

/** /proc or /sys when the path leads into it: the guest uses its own. */
function ownTop(path: string): string | undefined {
  return ['/proc', '/sys'].find((top) => path === top || path.startsWith(`${top}/`));
}

function classifyMount(mount: Mount, host: HostView): Verdict {
  const { type = '', source = '', options = [] } = mount;
  if (!isBind(mount)) {
    if (guestTypes.has(type)) return { kind: 'guest', reason: `${type} is made in the guest` };
    return refuse(mount, `a file system of type ${JSON.stringify(type)} cannot be mounted in the guest`);
  }
  if (source === '') return refuse(mount, 'a bind mount needs a source');
  if (!source.startsWith('/'))
    return refuse(mount, `its source ${JSON.stringify(source)} is not an absolute path`);
  if (options.some((option) => outward.has(option))) {
    return refuse(mount, 'mounts made in a VM cannot appear on the host (bidirectional propagation)');
  }
  return classifyBind(mount, hostPath(source), host);
}

function classifyBind(mount: Mount, source: string, host: HostView): Verdict {
  const top = ownTop(source);
  if (top !== undefined) return { kind: 'guest', reason: `${source} is bound from the guest's own ${top}` };
  const file = host.fileKind(source);
  switch (file) {
    case undefined:
      return refuse(mount, `its source ${source} does not exist on the host`);
    case 'block':
      return { kind: 'block-device', reason: `${source} is a block device` };
    case 'char':
      if (guestDevices.has(source))
        return { kind: 'device', reason: `${source} is bound from the guest's own /dev` };
      return refuse(
        mount,
        `its source ${source} is a character device of the host, which the guest does not have`,
      );
    case 'dir':
      return classifyDir(mount, source, host);
    case 'file':
      return { kind: 'file-bind', reason: `${source} is a file` };
    case 'fifo':
    case 'socket':
      return {
        kind: 'file-bind',
        reason: `${source} is a ${file}: it is shared, but does not connect host and guest`,
      };
  }
}

function classifyDir(mount: Mount, source: string, host: HostView): Verdict {
  // Another mount can cover a mount point: the last line counts.
  const mounted = host.mountTable.findLast((entry) => entry.mountPoint === source);
  const emptyDir = emptyDirOf(source, mounted, host.mountTable);
  if (
    posix.normalize(mount.destination) === '/dev/shm' &&
    mounted?.type === 'tmpfs' &&
    emptyDir === undefined
  ) {
    return { kind: 'shm', reason: `${source} is the sandbox's shared memory`, ...fileSystemOf(mounted) };
  }
  if (source === '/dev' || source.startsWith('/dev/')) {
    if (mounted?.type === 'tmpfs') return { kind: 'dir-bind', reason: `${source} is a tmpfs of the host` };
    return { kind: 'guest', reason: `${source} is bound from the guest's own /dev` };
  }
  if (emptyDir !== undefined) return classifyEmptyDir(source, emptyDir, host);
  if (watchedParents.has(posix.basename(posix.dirname(source)))) {
    return { kind: 'watched', reason: `${source} is a volume whose files the kubelet replaces` };
  }
  return classifyFolder(mount.options ?? [], source, host.mountTable);
}

function classifyFolder(
  options: readonly string[],
  source: string,
  table: readonly MountTableEntry[],
): Verdict {
  const verdict = { kind: 'dir-bind', reason: `${source} is a folder` } as const;
  if (!isReadOnly(options) || !options.includes('rbind')) return verdict;
  const submounts = submountsOf(source, table);
  if (submounts.length <= MAX_SUBMOUNTS) return { ...verdict, submounts };
  return { ...verdict, reason: `${verdict.reason}, read-only with the ${submounts.length} mounts below it` };
}

function submountsOf(source: string, table: readonly MountTableEntry[]): Submount[] {
  const prefix = source === '/' ? source : `${source}/`;
  const byPath = new Map<string, Submount>();
  for (const { mountPoint, options } of table) {
    if (!mountPoint.startsWith(prefix) || mountPoint === source) continue;
    const path = mountPoint.slice(prefix.length);
    byPath.set(path, { path, readOnly: options.includes('ro') });
  }
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

type EmptyDir = NonNullable<ClassifiedMount['volume']>;

/**
 * The emptyDir that a path leads into: by the path itself or, for the bind mount that the kubelet makes of a subPath,
 * by what is mounted there.
 */
function emptyDirOf(
  source: string,
  mounted: MountTableEntry | undefined,
  table: readonly MountTableEntry[],
): EmptyDir | undefined {
  const own = matchEmptyDir(source);
  if (own !== undefined || mounted === undefined) return own;
  for (const entry of table) {
    if (entry === mounted || entry.device !== mounted.device || entry.root !== '/') continue;
    const found = matchEmptyDir(entry.mountPoint);
    if (found?.subPath === '') return { path: found.path, subPath: trimSlash(mounted.root).slice(1) };
  }
  return undefined;
}

function matchEmptyDir(path: string): EmptyDir | undefined {
  const match = emptyDirPath.exec(path);
  return match === null ? undefined : { path: match[1]!, subPath: match[2] ?? '' };
}

function classifyEmptyDir(source: string, volume: EmptyDir, host: HostView): Verdict {
  const mounted = host.mountTable.findLast((entry) => entry.mountPoint === volume.path);
  const part = volume.subPath === '' ? 'is' : 'is in';
  if (mounted?.type === 'tmpfs') {
    const reason = `${source} ${part} a memory-backed emptyDir`;
    return { kind: 'ephemeral', reason, volume, ...fileSystemOf(mounted) };
  }
  if (mounted?.type === 'hugetlbfs') {
    const pageSizeBytes = optionBytes(mounted, 'pagesize');
    const reason = `${source} ${part} an emptyDir of huge pages`;
    return { kind: 'hugetlb', reason, volume, pageSizeBytes, ...fileSystemOf(mounted) };
  }
  const reason = `${source} ${part} a disk-backed emptyDir`;
  if (host.diskEmptyDir === 'local') return { kind: 'local', reason, volume };
  const content = host.volumeContent(volume.path);
  // An existing volume stays where it is, whatever the configuration says now.
  if (content === 'disk' || (content === 'empty' && host.diskEmptyDir === 'disk')) {
    return { kind: 'volume-disk', reason: `${reason}, on a disk of its own`, volume };
  }
  // A subPath stays the kubelet's own mount: links in the volume must not lead out of it.
  if (volume.subPath !== '') return { kind: 'dir-bind', reason: `${reason}, shared from the host` };
  return { kind: 'empty-dir', reason: `${reason}, shared from the host`, volume };
}

function refuse(mount: Mount, problem: string): Verdict {
  return { kind: 'refused', reason: `mount at ${mount.destination}: ${problem}` };
}

function trimSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

/** The properties of a tmpfs or hugetlbfs on the host that the guest's gets too. */
function fileSystemOf(entry: MountTableEntry): Pick<Verdict, 'sizeBytes' | 'flags'> {
  const flags = entry.options.filter((option) => ['nosuid', 'nodev', 'noexec'].includes(option));
  return { sizeBytes: sizeOf(entry), flags };
}

/** The size limit of a tmpfs or hugetlbfs in bytes; undefined: none found. */
export function sizeOf(entry: MountTableEntry): number | undefined {
  return optionBytes(entry, 'size');
}

/** A size in a file system's options, in bytes: digits with k, m or g; undefined for anything else (a percentage). */
function optionBytes(entry: MountTableEntry, name: string): number | undefined {
  const value = entry.superOptions.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1);
  const match = /^(\d+)([kmg]?)$/i.exec(value ?? '');
  if (match === null) return undefined;
  const unit = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }[match[2]?.toLowerCase() ?? ''] ?? 1;
  return Number(match[1]) * unit;
}

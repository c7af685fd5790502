/**
 * What dead shims have left on this host, for those whom nobody's `delete` cleans up after: CRI-O never calls it, and a container manager may have
 * died. Safe beside sandboxes that run, start or end: each leftover is looked for before the records are read, by which a living
 * one is known, and looked at again before it is removed.
 */
import { type Dirent, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { openCgroup, readHierarchies } from '../host/cgroup.ts';
import { isWithin, readMountinfo } from '../host/mountinfo.ts';
import { isAlive } from '../host/process.ts';
import { isOwnName } from '../host/sandbox-groups.ts';
import { canConnect } from '../host/socket-peers.ts';
import { claimedParents, releaseParents } from './cgroup-parents.ts';
import { reapSandbox } from './reap.ts';
import { readRecord, type SandboxRecord, sandboxDir, stateRoot } from './state.ts';
import { releaseUser, USERS_FOLDER } from './vm-user.ts';

export interface Leftover {
  readonly kind: 'sandbox' | 'control group' | 'user';
  /** `<namespace>/<id>`, a cgroup path, a uid. */
  readonly name: string;
  readonly what: string;
  /** Why it must not be removed, if so. */
  readonly keep?: string;
  /** Twice and in parallel is fine. @throws Error when something stands */
  remove(): Promise<void> | void;
}

/** What is younger and has no record may belong to a shim that has just begun, perhaps of another installation. */
const GRACE_MS = 60_000;

/** @throws when the state root cannot be read */
export async function findLeftovers(): Promise<Leftover[]> {
  const groups = ownGroups();
  const parents = claimedParents();
  const users = claimedUsers();
  const sandboxes = readSandboxes();
  const isDead = await Promise.all(sandboxes.map(isLeft));
  const records = sandboxes.flatMap(({ record }) => record ?? []);
  const known = records.flatMap(({ cgroup, shimCgroup }) => [cgroup, shimCgroup]);
  return [
    ...sandboxes.filter((_, index) => isDead[index]).map(sandboxLeft),
    ...groups.filter((path) => !known.includes(path)).map(groupLeft),
    ...parents.filter((path) => !known.some((group) => group && isWithin(path, group))).map(parentLeft),
    ...users.filter(({ owner }) => age(join(stateRoot(), owner)) === undefined).map(userLeft),
  ];
}

interface Found {
  readonly namespace: string;
  readonly id: string;
  readonly record: SandboxRecord | undefined;
}

function readSandboxes(): Found[] {
  return foldersOf(stateRoot())
    .filter((namespace) => !namespace.startsWith('.'))
    .flatMap((namespace) =>
      foldersOf(join(stateRoot(), namespace)).map((id) => {
        return { namespace, id, record: readRecord(sandboxDir(namespace, id)) };
      }),
    );
}

async function isLeft({ namespace, id, record }: Found): Promise<boolean> {
  if (record === undefined) return (age(sandboxDir(namespace, id)) ?? 0) > GRACE_MS;
  // Where pids are others' (in a container with a pid namespace of its own), a shim that serves its socket lives all the same.
  return !isAlive(record.shim) && !(await canConnect(record.socket));
}

function sandboxLeft({ namespace, id, record }: Found): Leftover {
  const name = `${namespace}/${id}`;
  return {
    kind: 'sandbox',
    name,
    what: partsOf(namespace, id, record),
    remove: () => reapSandbox(namespace, id, { record }),
  };
}

function partsOf(namespace: string, id: string, record: SandboxRecord | undefined): string {
  const dir = sandboxDir(namespace, id);
  const mounts = readMountinfo().filter(({ mountPoint }) => isWithin(dir, mountPoint)).length;
  const parts = mounts > 0 ? [`${mounts} mounts`] : [];
  if (record === undefined) return ['a folder without a record', ...parts].join(', ');
  const { processes, cgroup, shimCgroup, network, uid } = record;
  for (const one of processes) if (isAlive(one)) parts.push(`${one.name} (${one.pid})`);
  for (const path of [cgroup, shimCgroup])
    if (path !== undefined && openCgroup(path).folders.some((folder) => age(folder) !== undefined))
      parts.push(path);
  for (const { tap } of network?.taps ?? []) parts.push(tap);
  if (uid !== undefined && uid !== 0) parts.push(`user ${uid}`);
  if (age(record.socket) !== undefined) parts.push('its socket');
  return [`its shim (${record.shim.pid}) is gone`, ...parts].join(', ');
}

/** Paths of groups with a name of ours in any hierarchy, none below another. */
function ownGroups(): string[] {
  const paths = new Set<string>();
  for (const { mountPoint } of readHierarchies()) {
    const look = (path: string): void => {
      for (const name of foldersOf(join(mountPoint, path))) {
        const below = `${path}/${name}`;
        if (isOwnName(name)) paths.add(below);
        else look(below);
      }
    };
    look('');
  }
  return [...paths].sort();
}

function groupLeft(path: string): Leftover {
  const cgroup = openCgroup(path);
  const pids = cgroup.procs();
  const ages = cgroup.folders.flatMap((folder) => age(folder) ?? []);
  const isYoung = Math.min(...ages) < GRACE_MS;
  const keep = pids.length > 0 ? 'another installation may have made it' : isYoung ? 'it is new' : undefined;
  return {
    kind: 'control group',
    name: path,
    what:
      pids.length > 0
        ? `processes ${pids.join(', ')}, which no sandbox here knows`
        : 'empty, of no sandbox here',
    ...(keep === undefined ? {} : { keep }),
    remove: () => cgroup.remove({ timeoutMs: 0 }),
  };
}

function parentLeft(path: string): Leftover {
  const cgroup = openCgroup(path);
  const isUsed = cgroup.procs().length > 0 || cgroup.folders.some((folder) => foldersOf(folder).length > 0);
  return {
    kind: 'control group',
    name: path,
    what: 'made for sandboxes, of which none is there',
    ...(isUsed ? { keep: 'others are in it' } : {}),
    remove: () => releaseParents(join(path, 'any')),
  };
}

interface ClaimedUser {
  readonly uid: number;
  readonly owner: string;
}

function claimedUsers(): ClaimedUser[] {
  const folder = join(stateRoot(), USERS_FOLDER);
  return namesIn(folder, (entry) => entry.isSymbolicLink()).flatMap((name) => {
    try {
      const owner = readlinkSync(join(folder, name));
      return Number.isInteger(Number(name)) ? [{ uid: Number(name), owner }] : [];
    } catch {
      return []; // released meanwhile
    }
  });
}

/** A sandbox's folder is there from before its claim to after its release. */
function userLeft({ uid, owner }: ClaimedUser): Leftover {
  return {
    kind: 'user',
    name: String(uid),
    what: `claimed for ${owner}, which is not there`,
    remove: () => {
      if (age(join(stateRoot(), owner)) === undefined) releaseUser(uid, owner);
    },
  };
}

function foldersOf(dir: string): string[] {
  return namesIn(dir, (entry) => entry.isDirectory());
}

/** None where `dir` is not there (any more). */
function namesIn(dir: string, is: (entry: Dirent) => boolean): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter(is)
      .map((entry) => entry.name);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ENODEV'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}

/** Milliseconds since something was changed last; undefined when it is not there. */
function age(path: string): number | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat && Date.now() - stat.mtimeMs;
}

/** Parses the mount table of this process, `/proc/self/mountinfo`. */
import { readFileSync } from 'node:fs';

/** One line of mountinfo; see proc_pid_mountinfo(5). */
export interface MountInfo {
  readonly id: number;
  readonly parentId: number;
  /** `major:minor` of the file system. */
  readonly device: string;
  /** The folder or file of the file system that is mounted; `net:[4026531840]` for a namespace. */
  readonly root: string;
  readonly mountPoint: string;
  readonly options: readonly string[];
  /** Peer group of a shared mount. */
  readonly shared?: number;
  /** Peer group that a slave mount receives from. */
  readonly master?: number;
  readonly type: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

/** Decodes the kernel's octal escapes (space, tab, newline, backslash, `#`); bytes above 127 are not escaped. */
export function unescapeOctal(text: string): string {
  return text.includes('\\')
    ? text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
    : text;
}

function groupOf(tags: readonly string[], name: string): number | undefined {
  const tag = tags.find((t) => t.startsWith(`${name}:`));
  return tag === undefined ? undefined : Number(tag.slice(name.length + 1));
}

function parseLine(line: string): MountInfo | undefined {
  const fields = line.split(' ');
  const dash = fields.indexOf('-', 6);
  if (dash < 0) return undefined;
  const [id, parentId, device, root, mountPoint, options] = fields;
  const [type, source, superOptions] = fields.slice(dash + 1);
  if (!id || !parentId || !device || !root || !mountPoint || options === undefined || !type) return undefined;
  const tags = fields.slice(6, dash);
  const shared = groupOf(tags, 'shared');
  const master = groupOf(tags, 'master');
  return {
    id: Number(id),
    parentId: Number(parentId),
    device,
    root: unescapeOctal(root),
    mountPoint: unescapeOctal(mountPoint),
    options: options.split(','),
    ...(shared === undefined ? {} : { shared }),
    ...(master === undefined ? {} : { master }),
    type,
    source: unescapeOctal(source ?? ''),
    superOptions: (superOptions ?? '').split(','),
  };
}

/** Parses a whole table, keeping its order (a mount comes after the one it is on); malformed lines are skipped. */
export function parseMountinfo(text: string): MountInfo[] {
  const mounts: MountInfo[] = [];
  for (const line of text.split('\n')) {
    const mount = line === '' ? undefined : parseLine(line);
    if (mount) mounts.push(mount);
  }
  return mounts;
}

/** Reads the mount table of this process. */
export function readMountinfo(): MountInfo[] {
  return parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'));
}

/** Whether `path` is `dir` or below it; both absolute and normalized. */
export function isWithin(dir: string, path: string): boolean {
  return path === dir || path.startsWith(dir.endsWith('/') ? dir : `${dir}/`);
}

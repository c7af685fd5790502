/** Turns the mounts of containerd and OCI into steps for the helper: targets, id maps, long overlays. Pure. */
import { dirname, normalize, relative } from 'node:path';
import { splitIdMap } from './id-map.ts';
import type { MountStep } from './mount-helper.ts';
import { isWithin } from './mountinfo.ts';

/** A mount as containerd and OCI describe it; `target` is absolute. */
export interface MountEntry {
  readonly type: string;
  readonly source: string;
  readonly target: string;
  /** `uidmap=` and `gidmap=` make the mount id-mapped; for an overlay, its lower folders. */
  readonly options: readonly string[];
}

/** A bind mount is marked by its type or by an option, as in the OCI spec. */
function isBind(entry: MountEntry): boolean {
  return entry.type === 'bind' || entry.options.includes('bind') || entry.options.includes('rbind');
}

/** mount(2) takes one page of options including the terminating zero; counting the flags too errs on the safe side. */
const MAX_OPTION_BYTES = 4095;

/**
 * The step for one mount below `root`.
 * @throws Error when its target is outside of `root`, or an overlay's options do not fit into a page.
 */
export function planMount(entry: MountEntry, root: string): MountStep {
  const { type, source } = entry;
  const target = planTarget(entry.target, root);
  const { idMap, rest } = splitIdMap(entry.options);
  const mapped = idMap === undefined ? {} : { idMap };
  if (isBind(entry)) return { bind: { source, target, options: rest, ...mapped } };
  if (type !== 'overlay') return { mount: { type, source, target, options: rest, ...mapped } };
  const own = { type, source, target };
  if (idMap !== undefined) {
    const options = rest.filter((option) => !option.startsWith(LOWER));
    return { mount: { ...own, options, lower: lowerFolders(rest), idMap } };
  }
  const text = rest.join(',');
  if (Buffer.byteLength(text) <= MAX_OPTION_BYTES) return { mount: { ...own, options: rest } };
  const compact = compactOverlay(rest);
  if (compact === undefined || Buffer.byteLength(compact.options.join(',')) > MAX_OPTION_BYTES) {
    throw new Error(`its options do not fit into ${MAX_OPTION_BYTES} bytes`);
  }
  return { mount: { ...own, ...compact } };
}

/** A target relative to the root. @throws Error when it is not below it. */
export function planTarget(target: string, root: string): string {
  const path = relative(root, normalize(target));
  if (path === '' || !isWithin(root, normalize(target)) || target.split('/').includes('..')) {
    throw new Error(`the mount target ${target} is outside of ${root}`);
  }
  return path;
}

const LOWER = 'lowerdir=';
const OVERLAY_PATHS = /^(lowerdir|upperdir|workdir)=/;

/** Makes an overlay's folders relative to the deepest one that contains all lower folders; undefined: impossible. */
export function compactOverlay(
  options: readonly string[],
): { folder: string; options: readonly string[] } | undefined {
  const lower = options.find((o) => o.startsWith(LOWER))?.slice(LOWER.length);
  if (!lower) return undefined;
  const folders = splitLower(lower);
  const [first] = folders;
  if (!first || folders.some((f) => !f.startsWith('/'))) return undefined;
  let folder = dirname(first);
  while (folder !== '/' && folders.some((f) => !f.startsWith(`${folder}/`))) folder = dirname(folder);
  if (folder.includes('\\')) return undefined; // an escaped separator in the common part
  const shorten = (option: string) => {
    if (option.startsWith(LOWER)) return `${LOWER}${folders.map((f) => relative(folder, f)).join(':')}`;
    const [, key] = OVERLAY_PATHS.exec(option) ?? [];
    const path = key === undefined ? '' : option.slice(key.length + 1);
    return path.startsWith(`${folder}/`) ? `${key}=${relative(folder, path)}` : option;
  };
  return { folder, options: options.map(shorten) };
}

/** The paths of an overlay's lower folders. */
function lowerFolders(options: readonly string[]): string[] {
  const lower = options.find((option) => option.startsWith(LOWER));
  return lower === undefined
    ? []
    : splitLower(lower.slice(LOWER.length)).map((path) => path.replaceAll('\\:', ':'));
}

/** Lower folders are separated by colons; `\:` is a colon in a name. */
function splitLower(text: string): string[] {
  return text.split(/(?<!\\):/);
}

/** Turns mounts into the lines that mount(8) works off: staging of binds, sharing, long overlay options (pure). */
import { dirname, relative } from 'node:path';
import { type IdMap, splitIdMap } from './id-map.ts';

/** A mount as containerd and OCI describe it; `target` is absolute. */
export interface MountEntry {
  readonly type: string;
  readonly source: string;
  readonly target: string;
  /** With `uidmap=` and `gidmap=` owners are mapped: those of the lower folders, if it is an overlay. */
  readonly options: readonly string[];
}

/** Whether an entry is a bind mount, by type or by option as in the OCI spec. */
export function isBind(entry: MountEntry): boolean {
  return entry.type === 'bind' || entry.options.includes('bind') || entry.options.includes('rbind');
}

/** One mount of an fstab; `entry` is the index of the mount it serves. */
export interface FstabLine {
  readonly source: string;
  readonly target: string;
  readonly type: string;
  readonly options: string;
  readonly entry?: number;
}

/** Lines that one process does in order, perhaps in a working folder that relative paths count from. */
export interface MountStep {
  readonly lines: readonly FstabLine[];
  readonly cwd: string | undefined;
  /** The lines are done by the helper for mapped owners, not by mount(8); they have only source and target. */
  readonly idMap?: IdMap | undefined;
}

export interface MountPlan {
  readonly steps: readonly MountStep[];
  /** Places for staged binds, to be made before and unmounted after; of the kind of their entry's source. */
  readonly stages: readonly { readonly path: string; readonly entry: number }[];
}

export interface PlanOptions {
  readonly helperDir: string;
  /** A folder to make a shared mount of its own before all else. */
  readonly shareDir?: string;
}

/** mount(2) takes one page of options, with its end mark; the flags in the string only help to stay below. */
const MAX_OPTION_BYTES = 4095;

const PROPAGATION = /^r?(?:private|shared|slave|unbindable)$/;

/** Escapes a field of fstab; the reverse of what getmntent(3) and libmount do. */
export function escapeField(text: string): string {
  return text.replace(/[\s\\#]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

/** The text of an fstab. */
export function formatFstab(lines: readonly FstabLine[]): string {
  const fields = (l: FstabLine) =>
    [l.source, l.target, l.type, l.options || 'defaults'].map(escapeField).join(' ');
  return lines.map((l) => `${fields(l)} 0 0\n`).join('');
}

/**
 * Plans the mounts. A bind goes through a stage outside of the shared folder: there it becomes a slave of its
 * source (unmounting it can then not unmount anything at the source) and takes its flags (a later read-only
 * remount would not reach the daemon's namespace, a mount that is born read-only does).
 * @throws Error when an overlay's options fit into no page.
 */
export function planMounts(entries: readonly MountEntry[], options: PlanOptions): MountPlan {
  const steps: { lines: FstabLine[]; cwd: string | undefined; idMap?: IdMap | undefined }[] = [];
  const stages: { path: string; entry: number }[] = [];
  const add = (line: FstabLine, cwd?: string, idMap?: IdMap) => {
    const last = steps.at(-1);
    const same = last?.idMap?.uids === idMap?.uids && last?.idMap?.gids === idMap?.gids;
    if (last && last.cwd === undefined && cwd === undefined && same) last.lines.push(line);
    else steps.push({ lines: [line], cwd, idMap });
  };
  const stageFor = (entry: number, part = '') => {
    const path = `${options.helperDir}/stage-${entry}${part}`;
    stages.push({ path, entry });
    return path;
  };
  if (options.shareDir !== undefined) {
    const target = options.shareDir;
    // Private in between: else it would join the peer group of the mount it lies on.
    add({ source: target, target, type: 'none', options: 'bind,private' });
    add({ source: 'none', target, type: 'none', options: 'shared' });
  }
  for (const [entry, whole] of entries.entries()) {
    const { idMap, rest } = splitIdMap(whole.options);
    const mount = { ...whole, options: rest };
    if (isBind(mount)) {
      const [toStage, fromStage] = bindLines(mount, stageFor(entry));
      add({ ...toStage, entry });
      add({ ...fromStage, entry }, undefined, idMap);
    } else if (idMap === undefined || mount.type === 'overlay') {
      const lower = (source: string, number: number) => {
        const target = stageFor(entry, `-${number}`);
        add({ source, target, type: 'none', options: '', entry }, undefined, idMap);
        return target;
      };
      const mapped = idMap === undefined ? mount : { ...mount, options: withLower(mount.options, lower) };
      const { cwd, text } = optionText(mapped);
      add({ source: mount.source, target: mount.target, type: mount.type, options: text, entry }, cwd);
    } else {
      const stage = stageFor(entry);
      const { cwd, text } = optionText(mount);
      add({ source: mount.source, target: stage, type: mount.type, options: text, entry }, cwd);
      add({ source: stage, target: mount.target, type: 'none', options: '', entry }, undefined, idMap);
    }
  }
  return { steps, stages };
}

/** An overlay with other lower folders. The upper one is as the snapshotter made it: with owners that are mapped already. */
function withLower(
  options: readonly string[],
  place: (source: string, number: number) => string,
): readonly string[] {
  return options.map((option) => {
    if (!option.startsWith('lowerdir=')) return option;
    const folders = splitLower(option.slice('lowerdir='.length)).map((path) => path.replaceAll('\\:', ':'));
    return `lowerdir=${folders.map(place).join(':')}`;
  });
}

function bindLines(mount: MountEntry, stage: string): [FstabLine, FstabLine] {
  const bind = mount.options.includes('rbind') ? 'rbind' : 'bind';
  const flags = mount.options.filter(
    (o) => o !== 'bind' && o !== 'rbind' && o !== 'rw' && !PROPAGATION.test(o),
  );
  const first = [bind, ...flags, 'rslave'].join(',');
  return [
    { source: mount.source, target: stage, type: 'none', options: first },
    { source: stage, target: mount.target, type: 'none', options: bind },
  ];
}

function optionText(mount: MountEntry): { cwd: string | undefined; text: string } {
  const text = mount.options.join(',');
  if (mount.type !== 'overlay' || Buffer.byteLength(text) <= MAX_OPTION_BYTES)
    return { cwd: undefined, text };
  const compact = compactOverlay(mount.options);
  if (!compact || Buffer.byteLength(compact.text) > MAX_OPTION_BYTES) {
    throw new Error(
      `the options of the overlay on ${mount.target} do not fit into ${MAX_OPTION_BYTES} bytes`,
    );
  }
  return compact;
}

const OVERLAY_PATHS = /^(lowerdir|upperdir|workdir)=/;

/** Makes the folders of an overlay relative to the deepest folder that holds all lower ones. */
export function compactOverlay(options: readonly string[]): { cwd: string; text: string } | undefined {
  const lower = options.find((o) => o.startsWith('lowerdir='))?.slice('lowerdir='.length);
  if (!lower) return undefined;
  const folders = splitLower(lower);
  const [first] = folders;
  if (!first || folders.some((f) => !f.startsWith('/'))) return undefined;
  let cwd = dirname(first);
  while (cwd !== '/' && folders.some((f) => !f.startsWith(`${cwd}/`))) cwd = dirname(cwd);
  if (cwd.includes('\\')) return undefined; // an escaped separator in the common part: not ours to cut
  const shorten = (option: string) => {
    if (option.startsWith('lowerdir=')) return `lowerdir=${folders.map((f) => relative(cwd, f)).join(':')}`;
    const [, key] = OVERLAY_PATHS.exec(option) ?? [];
    const path = key === undefined ? '' : option.slice(key.length + 1);
    return path.startsWith(`${cwd}/`) ? `${key}=${relative(cwd, path)}` : option;
  };
  return { cwd, text: options.map(shorten).join(',') };
}

/** Lower folders are parted by colons; `\:` is a colon in a name. */
function splitLower(text: string): string[] {
  return text.split(/(?<!\\):/);
}

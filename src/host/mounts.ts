/**
 * Mounts on the host, made and undone by descriptor in a folder that is itself a mount: unmounting that one takes
 * everything below with it, and a mount that comes late has nowhere else to land.
 */
import { ShimError } from '../base/errors.ts';
import { type HelperOptions, type MountStep, runSteps, StepError } from './mount-helper.ts';
import { type MountEntry, planMount, planTarget } from './mount-plan.ts';

export type { HelperOptions } from './mount-helper.ts';
export type { MountEntry } from './mount-plan.ts';

/** A mount failed: which one and why, in one line. Those before it stay mounted. */
export class MountError extends ShimError {
  readonly entry: MountEntry | undefined;

  constructor(entry: MountEntry | undefined, reason: string, cause?: unknown) {
    const what = entry
      ? `cannot mount ${entry.type || 'bind'} ${entry.source} on ${entry.target}`
      : 'cannot mount';
    super('failed-precondition', `${what}: ${reason}`, cause === undefined ? undefined : { cause });
    this.name = 'MountError';
    this.entry = entry;
  }
}

/** Turns an existing folder into a shared mount, once; `mountAll` requires that. @throws MountError */
export async function shareFolder(root: string, options: HelperOptions): Promise<void> {
  await runSteps(root, ['share'], options).catch((error: Error) => {
    throw new MountError(undefined, error.message, error);
  });
}

/**
 * Creates the targets below `root` and mounts on them, in order. Each mount is nosuid, nodev, noexec, and receives what
 * the host mounts at its source later.
 * @throws MountError for the first that failed; the caller removes the targets of the others.
 */
export async function mountAll(
  root: string,
  entries: readonly MountEntry[],
  options: HelperOptions,
): Promise<void> {
  if (entries.length === 0) return;
  const steps = entries.map((entry): MountStep => {
    try {
      return planMount(entry, root);
    } catch (error) {
      throw new MountError(entry, (error as Error).message, error);
    }
  });
  await runSteps(root, steps, options).catch((error: unknown) => {
    const step = error instanceof StepError ? error.step : undefined;
    throw new MountError(step === undefined ? undefined : entries[step], (error as Error).message, error);
  });
}

/**
 * Unmounts the targets, in order, and removes them; missing ones are fine. A target that is not empty by then stays.
 * Idempotent and safe in parallel.
 * @throws StepError that names what stays.
 */
export async function removeTargets(
  root: string,
  targets: readonly string[],
  options: HelperOptions,
): Promise<void> {
  if (targets.length === 0) return;
  const steps = targets.map((target) => ({ remove: { target: planTarget(target, root) } }));
  await runSteps(root, steps, options);
}

/** Unmounts the root and with it everything below. Idempotent, safe in parallel; a missing folder is fine. */
export async function unmountAll(root: string, options: HelperOptions): Promise<void> {
  await runSteps(root, ['unmount-all'], options);
}

/**
 * Removes a sandbox's folder: its files and its mount targets, which are unmounted first. Anything else stays, with an
 * error. Idempotent and safe in parallel.
 * @throws StepError that names what stays.
 */
export async function clearFolder(dir: string, options: HelperOptions): Promise<void> {
  await runSteps(dir, ['clear'], options);
}

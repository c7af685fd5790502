/**
 * Mounts of the host, made and undone by descriptor in a folder that is a mount of its own: what is gone with that one
 * is gone for certain, and no mount that comes late can land anywhere else.
 */
import { ShimError } from '../base/errors.ts';
import { type HelperOptions, type MountStep, runSteps, StepError } from './mount-helper.ts';
import { type MountEntry, planMount, planTarget } from './mount-plan.ts';

export type { HelperOptions } from './mount-helper.ts';
export type { MountEntry } from './mount-plan.ts';

/** A mount that failed: which one and why, in one line. What was mounted before it stays. */
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

/** Makes an existing folder a shared mount of its own, once: `mountAll` mounts in nothing else. @throws MountError */
export async function shareFolder(root: string, options: HelperOptions): Promise<void> {
  await runSteps(root, ['share'], options).catch((error: Error) => {
    throw new MountError(undefined, error.message, error);
  });
}

/**
 * Makes all mounts below `root`, in order, and their targets. Each is nosuid, nodev, noexec, and receives what the host
 * mounts at its source later.
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
 * Unmounts what is on the targets, in order, and removes them; those that are not there are fine. Nothing is removed
 * that is not empty then. Idempotent, and fine in parallel.
 * @throws Error that names what stays.
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

/** Unmounts the root, and all below with it. Idempotent, fine in parallel, and for a folder that is not there. */
export async function unmountAll(root: string, options: HelperOptions): Promise<void> {
  await runSteps(root, ['unmount-all'], options);
}

/**
 * Removes the folder of a sandbox: its files, and folders of mount targets, unmounted first. What else is in it stays,
 * with an error. Idempotent, and fine in parallel.
 * @throws Error that names what stays.
 */
export async function clearFolder(dir: string, options: HelperOptions): Promise<void> {
  await runSteps(dir, ['clear'], options);
}

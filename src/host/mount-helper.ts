/**
 * Runs bulkhead-mount, which mounts, unmounts and removes by descriptor: one process per batch, which dies with this
 * one. The other side of the types here is native/mount/src/request.rs.
 */
import { runCommand } from './command.ts';
import type { IdMap } from './id-map.ts';

/** One thing to do; targets are relative to the root of the request. */
export type MountStep =
  /** Turns the root into a shared mount. */
  | 'share'
  | { readonly bind: BindStep }
  | { readonly mount: FileSystemStep }
  /** Unmounts the target and removes it; it must be empty by then. */
  | { readonly remove: { readonly target: string } }
  /** Unmounts the root and with it everything below. */
  | 'unmount-all'
  /** Removes the root, a sandbox's folder, with the files that a sandbox keeps there. */
  | 'clear';

export interface BindStep {
  readonly source: string;
  readonly target: string;
  readonly options: readonly string[];
  readonly idMap?: IdMap;
}

export interface FileSystemStep extends BindStep {
  readonly type: string;
  /** What paths in the options are relative to. */
  readonly folder?: string;
  /** Lower folders of an id-mapped overlay. */
  readonly lower?: readonly string[];
}

export interface HelperOptions {
  /** Path of `bulkhead-mount`. */
  readonly helper: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A step failed; those before it are done. */
export class StepError extends Error {
  /** Index of the step; undefined when the helper itself failed. */
  readonly step: number | undefined;

  constructor(step: number | undefined, reason: string, cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause });
    this.name = 'StepError';
    this.step = step;
  }
}

const DEFAULT_TIMEOUT_MS = 20_000;

/**
 * Performs the steps in order, up to the first that fails.
 * @param root an absolute path without symbolic links.
 * @throws StepError
 */
export async function runSteps(
  root: string,
  steps: readonly MountStep[],
  { helper, timeoutMs = DEFAULT_TIMEOUT_MS, signal }: HelperOptions,
): Promise<void> {
  const input = JSON.stringify({ parent: process.pid, root, steps });
  const result = await runCommand([helper], { timeoutMs, signal, input }).catch((error: Error) => {
    throw new StepError(undefined, error.message, error);
  });
  if (result.code !== 0) throw parseFailure(result.stderr, result.code);
}

function parseFailure(stderr: string, code: number | null): StepError {
  try {
    const { step, reason } = JSON.parse(stderr) as { step: number | null; reason: string };
    return new StepError(step ?? undefined, reason);
  } catch {
    const end = code === null ? 'was killed' : `ended with code ${code}`;
    return new StepError(undefined, stderr.trim() || `bulkhead-mount ${end}`);
  }
}

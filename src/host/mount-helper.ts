/**
 * The program that mounts, unmounts and removes by descriptor (native/mount; request.rs is its side of the words here):
 * one process for each batch, which dies with this one.
 */
import { runCommand } from './command.ts';
import type { IdMap } from './id-map.ts';

/** One thing to do; targets are relative to the root of the request. */
export type MountStep =
  /** Waits until the file system of a source has answered, whatever it says. */
  | { readonly look: { readonly source: string } }
  /** Makes the root a shared mount of its own. */
  | 'share'
  | { readonly bind: BindStep }
  | { readonly mount: FileSystemStep }
  /** Unmounts what is on the target and removes it, which must be empty then. */
  | { readonly remove: { readonly target: string } }
  /** Unmounts the root itself, and with it all below. */
  | 'unmount-all'
  /** Removes the root, which is the folder of a sandbox, with what sandboxes have in it. */
  | 'clear';

export interface BindStep {
  readonly source: string;
  readonly target: string;
  readonly options: readonly string[];
  readonly idMap?: IdMap;
}

export interface FileSystemStep extends BindStep {
  readonly type: string;
  /** What relative paths in the options count from. */
  readonly folder?: string;
  /** Lower folders of an overlay whose owners are mapped. */
  readonly lower?: readonly string[];
}

export interface HelperOptions {
  /** Path of `bulkhead-mount`. */
  readonly helper: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A step that failed; those before it are done. */
export class StepError extends Error {
  /** Undefined when it is none of them that failed. */
  readonly step: number | undefined;

  constructor(step: number | undefined, reason: string, cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause });
    this.name = 'StepError';
    this.step = step;
  }
}

const DEFAULT_TIMEOUT_MS = 20_000;

/**
 * Does the steps in order, up to the first that fails.
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
    return new StepError(undefined, stderr.trim() || `the helper for mounts ${end}`);
  }
}

/** The network namespace of a sandbox, and running programs in it. Never the host's own. */
import { type CommandResult, runCommand } from '../host/command.ts';
import { netnsIdentity, netnsKind } from '../host/netns.ts';
import { NetworkError } from './network-error.ts';

export interface Namespace {
  readonly path: string;
  /** Distinguishes it from another namespace at the same path. */
  readonly identity: string;
}

/** Far longer than these programs take (5 to 30 ms), far shorter than a container manager waits. */
const COMMAND_MS = 10_000;

/**
 * Checks a path before anything enters it.
 * @throws NetworkError when there is no network namespace, or it is the host's.
 */
export function openNamespace(path: string): Namespace {
  const identity = netnsIdentity(path);
  switch (netnsKind(path)) {
    case 'own':
      if (identity !== undefined) return { path, identity };
      break;
    case 'host':
      throw new NetworkError(
        `${path} is the host's own network namespace, which a VM cannot have and must not change`,
      );
    case 'other-file':
      throw new NetworkError(`${path} is not a network namespace`);
    case 'missing':
  }
  throw new NetworkError(`the network namespace ${path} does not exist`);
}

/**
 * Runs a program in a namespace.
 * @param what for the error: what failed.
 * @throws NetworkError when it does not run or exits with an error.
 */
export async function runIn(
  namespace: Namespace,
  what: string,
  argv: readonly string[],
  options: { readonly input?: string; readonly signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const { path } = openNamespace(namespace.path);
  let result: CommandResult;
  try {
    result = await runCommand(['nsenter', `--net=${path}`, '--', ...argv], {
      timeoutMs: COMMAND_MS,
      ...options,
    });
  } catch (error) {
    throw new NetworkError(`${what} in ${path}: ${(error as Error).message}`, { cause: error });
  }
  if (result.code === 0) return result.stdout;
  throw new NetworkError(`${what} in ${path}`, { stderr: result.stderr || `exit code ${result.code}` });
}

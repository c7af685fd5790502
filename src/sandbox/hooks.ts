/**
 * OCI hooks that are programs of the host: nerdctl and Docker connect a container to its network with them. The task's
 * pid that they get is the VMM's, whose network namespace is the container's. Hooks that would have to run inside the
 * container (createContainer, startContainer) have no place in a VM and are left out.
 */

import { messageOf, ShimError } from '../base/errors.ts';
import { runCommand } from '../host/command.ts';
import type { Hook, Spec } from '../oci/spec.ts';

export type HookStage = 'create' | 'poststart' | 'poststop';

/** The spec's names for the hooks of a stage, in their order. */
const NAMES: Record<HookStage, readonly string[]> = {
  create: ['prestart', 'createRuntime'],
  poststart: ['poststart'],
  poststop: ['poststop'],
};

/** The container's state as the OCI runtime spec gives it to hooks, on their standard input. */
export interface HookState {
  readonly id: string;
  readonly bundle: string;
  readonly pid: number;
}

const STATUS: Record<HookStage, string> = { create: 'creating', poststart: 'running', poststop: 'stopped' };
/** For a hook that names no limit of its own; nobody may wait for ever. */
const DEFAULT_TIMEOUT_S = 60;

export function hasHooks(stage: HookStage, spec: Spec): boolean {
  return NAMES[stage].some((name) => (spec.hooks?.[name] ?? []).length > 0);
}

/**
 * Runs the hooks of a stage one after the other; one that runs when `signal` aborts is killed.
 * @throws ShimError `failed-precondition` for the first that fails, with what it wrote to stderr; the rest is not run.
 */
export async function runHooks(
  stage: HookStage,
  spec: Spec,
  state: HookState,
  signal?: AbortSignal,
): Promise<void> {
  for (const name of NAMES[stage]) {
    for (const hook of spec.hooks?.[name] ?? []) await runHook(name, hook, stage, spec, state, signal);
  }
}

async function runHook(
  name: string,
  hook: Hook,
  stage: HookStage,
  spec: Spec,
  state: HookState,
  signal: AbortSignal | undefined,
): Promise<void> {
  const what = `${name} hook ${hook.path} of container ${state.id}`;
  const [argv0, ...args] = hook.args ?? [];
  const input = JSON.stringify({
    ociVersion: spec.ociVersion ?? '1.0.2',
    status: STATUS[stage],
    annotations: spec.annotations ?? {},
    ...state,
  });
  const timeoutMs = (hook.timeout || DEFAULT_TIMEOUT_S) * 1000;
  const options = { argv0, cwd: state.bundle, env: envOf(hook), input, timeoutMs, signal };
  const result = await runCommand([hook.path, ...args], options).catch((error: unknown) => {
    throw new ShimError('failed-precondition', `${what}: ${messageOf(error)}`, { cause: error });
  });
  if (result.code === 0) return;
  const said = result.stderr.trim() || result.stdout.trim() || 'no output';
  throw new ShimError('failed-precondition', `${what} ended with code ${result.code ?? 'none'}: ${said}`);
}

function envOf(hook: Hook): Record<string, string> {
  const pairs = (hook.env ?? []).map((entry) => {
    const at = entry.indexOf('=');
    return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
  });
  return Object.fromEntries(pairs) as Record<string, string>;
}

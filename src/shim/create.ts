/** Create: reads the bundle's spec and options, places the container, and boots its VM or adds it to the running one. */

import { messageOf, ShimError } from '../base/errors.ts';
import { applyAnnotations, type Config, loadConfig } from '../config/config.ts';
import type { Any } from '../gen/google.ts';
import { Options } from '../gen/runtimeoptions.ts';
import type { CreateTaskRequest } from '../gen/task.ts';
import { readSpec, type Spec } from '../oci/spec.ts';
import { place } from '../sandbox/placement.ts';
import type { CreateContainer } from '../sandbox/request.ts';
import { Sandbox } from '../sandbox/sandbox.ts';
import type { ShimContext } from './context.ts';
import { type PodFiles, withPodFiles } from './pod-files.ts';
import { openProcessIo } from './process-io.ts';

/**
 * @param sandbox the sandbox that this shim already serves.
 * @param files the pod's /etc files, if its manager made none.
 * @returns the sandbox that the container is in.
 * @throws with nothing left of the container, or of a VM booted for it.
 */
export async function createSandboxOrContainer(
  context: ShimContext,
  sandbox: Sandbox | undefined,
  request: CreateTaskRequest,
  signal: AbortSignal,
  files?: PodFiles,
): Promise<Sandbox> {
  const own = readSpec(request.bundle);
  const spec = files === undefined ? own : withPodFiles(own, files);
  const container = { ...containerOf(context, request, spec), podShm: files !== undefined };
  const placement = place(request.id, spec.annotations ?? {});
  switch (placement.t) {
    case 'reject':
      throw new ShimError(
        'invalid-argument',
        `container ${request.id} cannot be placed: ${placement.reasons.join('; ')}`,
      );
    case 'join':
      if (sandbox === undefined || sandbox.id !== placement.sandboxId || sandbox.isGone) {
        throw new ShimError(
          'failed-precondition',
          `container ${request.id} belongs to sandbox ${placement.sandboxId}, whose VM does not run in this shim: ` +
            placement.reasons.join('; '),
        );
      }
      await sandbox.create(container, signal);
      return sandbox;
    case 'boot':
      if (sandbox !== undefined && !sandbox.isGone) {
        throw new ShimError('failed-precondition', `this shim already serves sandbox ${sandbox.id}`);
      }
      return bootSandbox(context, container, { options: request.options, pod: placement.pod }, signal);
  }
}

/** @throws with nothing left of the VM. */
export async function bootSandbox(
  context: ShimContext,
  first: CreateContainer,
  { options, pod }: { readonly options?: Any | undefined; readonly pod: boolean },
  signal: AbortSignal,
): Promise<Sandbox> {
  const { sharedFs, ...rest } = await configOf(context, options, first.spec);
  // A `local` emptyDir is in the root of the sandbox's own container, which is in the guest's image here.
  const isLocal = sharedFs.diskEmptyDir === 'local' && first.guestRoot !== undefined;
  const config = {
    ...rest,
    sharedFs: { ...sharedFs, ...(isLocal ? { diskEmptyDir: 'share' as const } : {}) },
  };
  return Sandbox.boot(context, { first, config, pod }, signal);
}

/**
 * containerd passes the runtime's options as runtimeoptions.v1.Options. Some versions pass runc's options to every
 * runtime; those are ignored.
 */
async function configOf(context: ShimContext, options: Any | undefined, spec: Spec): Promise<Config> {
  const isOurs = options?.typeUrl.endsWith('runtimeoptions.v1.Options') === true;
  const path = isOurs ? Options.decode(options.value).configPath : '';
  try {
    const file = await loadConfig(path === '' ? undefined : path);
    const { config, ignored } = applyAnnotations(file, spec.annotations ?? {});
    context.log.setLevel(config.log.level);
    if (ignored.length > 0)
      context.log('warn', 'annotations without effect: not in annotations.allow', { ignored });
    return config;
  } catch (error) {
    throw new ShimError('invalid-argument', messageOf(error), { cause: error });
  }
}

function containerOf(context: ShimContext, request: CreateTaskRequest, spec: Spec): CreateContainer {
  const { id, bundle, stdin, stdout, stderr, terminal } = request;
  const paths = { stdin, stdout, stderr, terminal };
  return {
    id,
    bundle,
    spec,
    rootfs: request.rootfs,
    paths,
    openIo: () => openProcessIo(context, id, paths),
  };
}

/** The host's part of a container, before the guest hears of it: its plan, its mounts in the share, its streams. */
import { type ContainerPlan, type PlanView, planContainer, sortMounts } from './container-plan.ts';
import { hostView } from './host-view.ts';
import type { ProcessIo } from './process.ts';
import type { CreateContainer, SandboxContext } from './request.ts';
import type { RootPlan } from './root/root-parts.ts';
import type { Share } from './volumes/share.ts';

export interface PreparedContainer {
  readonly request: CreateContainer;
  readonly plan: ContainerPlan;
  readonly io: ProcessIo;
  /** When the preparation began, on performance.now's clock. */
  readonly begin: number;
  /** Takes the container off the host again; idempotent. */
  undo(): Promise<void>;
}

/** What decides beside the request and the host. */
export interface PodSettings {
  readonly root: RootPlan;
  readonly diskEmptyDir: PlanView['diskEmptyDir'];
  readonly diskSizeMib: number;
  readonly vmMemoryMib: number;
  /** The root of the sandbox's own container, as the guest sees it. */
  readonly sandboxRoot: string;
  readonly containerOf?: PlanView['containerOf'];
}

/** @throws ShimError, SpecError, MountError or StdioError, with nothing of the container left on the host. */
export async function prepareContainer(
  context: Pick<SandboxContext, 'log'>,
  share: Share,
  request: CreateContainer,
  { root, sandboxRoot, vmMemoryMib, ...pod }: PodSettings,
): Promise<PreparedContainer> {
  const begin = performance.now();
  await using undo = new AsyncDisposableStack();
  undo.defer(() => share.removeContainer(request.id));
  const view = await hostView(request.spec.mounts ?? [], { ...pod, localDir: `${sandboxRoot}/local` });
  const sorted = sortMounts({ ...request, root, vmMemoryMib }, view);
  const paths = share.reserve(request.id, sorted.volumes);
  const plan = planContainer({ ...request, root, vmMemoryMib }, sorted, paths, view);
  context.log('debug', 'root file system', { container: request.id, mode: root.mode, reason: root.reason });
  if (plan.notes.length > 0) {
    context.log('debug', 'left out of the spec', { container: request.id, notes: plan.notes.join('; ') });
  }
  await share.addContainer(request.id, plan.host);
  const io = await request.openIo();
  undo.defer(() => io.close());
  const made = undo.move();
  return { request, plan, io, begin, undo: () => made.disposeAsync() };
}

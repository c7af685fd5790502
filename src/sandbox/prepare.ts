/** The host's part of a container, before the guest hears of it: its plan, its mounts in the share, its streams. */
import { type ContainerPlan, type PlanView, planContainer } from './container-plan.ts';
import { hostView } from './host-view.ts';
import type { ProcessIo } from './process.ts';
import type { CreateContainer, SandboxContext } from './sandbox.ts';
import type { Share } from './share.ts';

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
export interface PodView {
  readonly diskEmptyDir?: PlanView['diskEmptyDir'];
  readonly containerOf?: PlanView['containerOf'];
}

/** @throws ShimError, SpecError, MountError or StdioError, with nothing of the container left on the host. */
export async function prepareContainer(
  context: Pick<SandboxContext, 'log'>,
  share: Share,
  request: CreateContainer,
  pod: PodView = {},
): Promise<PreparedContainer> {
  const begin = performance.now();
  await using undo = new AsyncDisposableStack();
  undo.defer(() => share.removeContainer(request.id));
  const plan = planContainer(request, share, hostView(pod));
  if (plan.notes.length > 0) {
    context.log('debug', 'left out of the spec', { container: request.id, notes: plan.notes.join('; ') });
  }
  await share.addContainer(request.id, plan.host);
  const io = await request.openIo();
  undo.defer(() => io.close());
  const made = undo.move();
  return { request, plan, io, begin, undo: () => made.disposeAsync() };
}

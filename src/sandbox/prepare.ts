/** The host's part of a container, before the guest hears of it: its plan, its mounts in the share, its streams. */
import { mountHelper } from '../config/locate.ts';
import { requireAnswers } from '../host/answering.ts';
import { readMountinfo } from '../host/mountinfo.ts';
import { type ContainerPlan, type PlanView, planContainer } from './container-plan.ts';
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
export interface PodView {
  readonly root: RootPlan;
  readonly diskEmptyDir: PlanView['diskEmptyDir'];
  readonly diskSizeMib: number;
  /** The root of the sandbox's own container, as the guest sees it. */
  readonly sandboxRoot: string;
  readonly containerOf?: PlanView['containerOf'];
}

/** @throws ShimError, SpecError, MountError or StdioError, with nothing of the container left on the host. */
export async function prepareContainer(
  context: Pick<SandboxContext, 'log'>,
  share: Share,
  request: CreateContainer,
  { root, sandboxRoot, ...pod }: PodView,
): Promise<PreparedContainer> {
  const begin = performance.now();
  await using undo = new AsyncDisposableStack();
  undo.defer(() => share.removeContainer(request.id));
  const sources = (request.spec.mounts ?? []).flatMap(({ source }) =>
    source?.startsWith('/') ? [source] : [],
  );
  await requireAnswers(sources, readMountinfo(), share.dir, { helper: mountHelper() });
  const plan = planContainer(
    { ...request, root },
    share,
    hostView({ ...pod, localDir: `${sandboxRoot}/local` }),
  );
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

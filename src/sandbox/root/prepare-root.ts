/** The plan of a container's root, from its Create request and the host as it is. */
import { isAbsolute, join } from 'node:path';
import { rootView } from '../host-view.ts';
import type { CreateContainer } from '../request.ts';
import { guestPath } from '../volumes/share.ts';
import type { RootPlan, RootSettings } from './root-parts.ts';
import { planRoot } from './root-plan.ts';

/** @throws ShimError `invalid-argument` for a root that no VM can have. */
export function rootOf(request: CreateContainer, settings: RootSettings): RootPlan {
  const { id, spec, rootfs, guestRoot } = request;
  const isReadOnly = spec.root?.readonly === true;
  if (guestRoot !== undefined) {
    return planRoot({ id, rootfs: [], isReadOnly, sharedPath: guestRoot }, settings, rootView);
  }
  const mounts = rootfs.length > 0 ? rootfs : [folderOf(request)];
  return planRoot(
    { id, rootfs: mounts, isReadOnly, sharedPath: guestPath(id, 'rootfs') },
    settings,
    rootView,
  );
}

/** What a manager that gives no mounts has mounted already (CRI-O, Docker). */
function folderOf({ bundle, spec }: CreateContainer) {
  const path = spec.root?.path ?? '';
  const source = isAbsolute(path) ? path : join(bundle, path);
  return { type: 'bind', source, target: '', options: ['rbind'] };
}

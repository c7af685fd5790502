/** Opens a process's stdio as named by containerd, and logs when an output fails while the process runs. */
import { messageOf } from '../base/errors.ts';
import type { ProcessIo, StdioPaths } from '../sandbox/process.ts';
import type { ShimContext } from './context.ts';
import { openStdio } from './stdio/stdio.ts';

/** @throws StdioError with nothing left open. */
export function openProcessIo(
  context: ShimContext,
  containerId: string,
  paths: StdioPaths,
): Promise<ProcessIo> {
  return openStdio(
    paths,
    { id: containerId, namespace: context.namespace },
    {
      onLogger: (pid) => context.cgroup.letGo(pid),
      onBroken: (stream, error) => {
        context.log('warn', 'an output failed, the rest of it is dropped', {
          container: containerId,
          stream,
          error: messageOf(error),
        });
      },
    },
  );
}

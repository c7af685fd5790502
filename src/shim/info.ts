/** `-info` (containerd 2.x): what this runtime is, as a containerd.types.RuntimeInfo. */
import { RuntimeInfo } from '../gen/runtimeinfo.ts';
import { VERSION } from './version.ts';

/** @returns the encoded RuntimeInfo for stdout. */
export function runtimeInfo(): Uint8Array {
  return RuntimeInfo.encode({
    name: 'io.containerd.bulkhead.v2',
    version: { version: VERSION, revision: '' },
  });
}

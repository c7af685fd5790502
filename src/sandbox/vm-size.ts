/** The size of a sandbox's VM, by its spec, the configuration and this host as it is now. */
import type { Config } from '../config/config.ts';
import { hostCapacity } from '../host/capacity.ts';
import { podGroupLimits } from '../host/group-limits.ts';
import { sizeVm, type VmSize } from '../oci/sizing.ts';
import type { Spec } from '../oci/spec.ts';

/** @param pod the spec is that of a pod, whose containers are in a control group of the pod's. @throws Error for a bad `cgroupsPath`. */
export function vmSizeOf(spec: Spec, config: Config['vm'], pod: boolean): VmSize {
  const { cpus } = hostCapacity();
  return sizeVm(spec, config, { cpus, pod: pod ? podGroupLimits(spec.linux?.cgroupsPath ?? '') : undefined });
}

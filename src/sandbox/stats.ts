/** A container's statistics as containerd expects them: cgroup v1 or v2 metrics, whatever the host itself uses. */
import type { GuestAgent } from '../agent/agent.ts';
import { Metrics as MetricsV1 } from '../gen/cgroups-v1.ts';
import { Metrics as MetricsV2 } from '../gen/cgroups-v2.ts';
import type { Any } from '../gen/google.ts';
import { cgroupVersion } from '../host/capacity.ts';
import { v1Metrics, v2Metrics } from './metrics.ts';

export async function statsAny(agent: GuestAgent, containerId: string): Promise<Any> {
  const stats = await agent.statsContainer(containerId);
  return cgroupVersion() === 2
    ? { typeUrl: 'io.containerd.cgroups.v2.Metrics', value: MetricsV2.encode(v2Metrics(stats)) }
    : { typeUrl: 'io.containerd.cgroups.v1.Metrics', value: MetricsV1.encode(v1Metrics(stats)) };
}

// A pod on the host: VM and shim are in the pod's own control group, which holds with the overhead of a RuntimeClass; the
// VM is as protected from the node's OOM killer as the pod's most protected container.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cgroupsOf, readCgroup, writeCgroup } from '../../scripts/stand/cgroups.ts';
import { kvmWorks, runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { usePodHost } from '../support/stands.ts';

const MIB = 1 << 20;
const limit = { timeout: 280_000, skip: !runtime.isVm && 'it is about the VM' };

const { host, clean } = await usePodHost();

const groupsOf = (podId: string) => cgroupsOf(host.daemon.bulkheadState, host.daemon.namespace, podId);
const scores = (podId: string): number[] =>
  readCgroup(groupsOf(podId).vm, 'cgroup.procs')
    .split('\n')
    .map((pid) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8')));

test(
  'oom_score_adj of a pod is the lowest of its containers, not that of the pause container',
  limit,
  async () => {
    const pod = await host.pod();
    const isAll = (score: number) => scores(pod.id).every((one) => one === score);
    assert.ok(isAll(0), `nobody has joined: ${scores(pod.id)}`);
    const first = await pod.run({ resources: { oomScoreAdj: 900 } });
    assert.ok(isAll(900), `${scores(pod.id)}`);
    const second = await pod.run({ resources: { oomScoreAdj: 300 } });
    assert.ok(isAll(300), `${scores(pod.id)}`);
    await second.stop();
    await second.remove();
    await waitFor('the value of the one that is left', () => isAll(900), 5_000);
    await first.stop();
    await first.remove();
    await waitFor('that of none', () => isAll(0), 5_000);
    await pod.remove();
    await assertNothingNew(host.daemon, clean, [pod.id]);
  },
);

test(
  'a pod that uses all it may lives within its limit and the overhead of its RuntimeClass',
  limit,
  async () => {
    // What docs/kubernetes.md tells to put into the RuntimeClass.
    const overheadMib = kvmWorks() ? 256 : 384;
    const podLimit = (256 + overheadMib) * MIB;
    const pod = await host.pod({ linux: { resources: { memoryLimitInBytes: 256 * MIB } } }, (cgroup) =>
      writeCgroup(cgroup, String(podLimit), 'memory.limit_in_bytes', 'memory.max'),
    );
    const { vm, shim } = groupsOf(pod.id);
    const parent = pod.config.linux?.cgroupParent ?? '';
    assert.equal(vm, `${parent}/${pod.id}`, 'where the kubelet looks for what the pod sends and receives');
    assert.match(shim, new RegExp(`^${parent}/bulkhead-shim-[0-9a-f]{32}$`));

    const volume = join(host.daemon.dir, 'volume');
    mkdirSync(volume);
    const neighbour = await pod.run();
    const greedy = await pod.run({
      command: [
        'sh',
        '-c',
        [
          'dd if=/dev/zero of=/volume/large bs=1M count=500 2>&1',
          'md5sum /volume/large',
          'dd if=/dev/zero of=/dev/shm/block bs=1M 2>&1',
          'exec tail /dev/zero',
        ].join('\n'),
      ],
      resources: { memoryLimitInBytes: 256 * MIB },
      mounts: [{ containerPath: '/volume', hostPath: volume }],
    });
    const { exitCode, reason } = await greedy.exited(200_000);
    assert.deepEqual([exitCode, reason], [137, 'OOMKilled'], greedy.output());
    assert.match(readCgroup(parent, 'memory.oom_control', 'memory.events'), /^oom_kill 0$/m);
    const most = Number(readCgroup(parent, 'memory.max_usage_in_bytes', 'memory.peak'));
    assert.ok(
      most > 0.95 * podLimit,
      `it came up to the pod's limit: ${most / MIB} MiB of ${podLimit / MIB}`,
    );
    assert.equal(await neighbour.sh('echo alive'), 'alive\n');
    await pod.remove();
    await assertNothingNew(host.daemon, clean, [pod.id]);
  },
);
